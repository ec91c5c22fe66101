"""``POST models/{model}/predictions``: from the proxy event to the answer or the problem."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluicegate.domain.errors import SluicegateError, Transient
from sluicegate.domain.names import is_model
from sluicegate.domain.records import InvalidRecords
from sluicegate.http.answers import Json, Problem, answer, text_answer
from sluicegate.http.requests import Request, request_id_of
from sluicegate.services.dispatch import Caller, UnknownLane
from sluicegate.services.predict import (
    LIMITS,
    ModelFailed,
    NotLive,
    Predicted,
    Predictor,
    TooLarge,
    Trace,
    Unavailable,
    Waking,
)
from sluicegate.services.prediction_log import lines
from sluicegate.services.stand_in import ENDPOINT

#: API Gateway ends a request after 29 s
LONGEST_SECONDS = 27.0
#: a subject is a short name of somebody or something, not a document
LONGEST_SUBJECT = 256
#: Lambda takes 6 MB as an answer ("Lambda quotas"); headers need some of it
LARGEST_ANSWER = 6 * 1024 * 1024 - 8 * 1024


def handle(
    event: Mapping[str, Any],
    predictor: Predictor,
    seconds_left: float,
    log: Callable[[Json], None],
    keep: Callable[[str], None] = lambda _line: None,
) -> Json:
    """The proxy answer. ``log`` gets one line a request: model, version, counts, never the records; ``keep`` gets the
    lines of the prediction log."""
    line: Json = {}
    trace = Trace()
    try:
        request = Request(event)
        model = next(iter(request.segments[1:2]), "")
        line = {"request_id": request.request_id, "model": model[:80]}
        body = request.body(LIMITS.bytes)
        timeout = min(LONGEST_SECONDS, max(0.1, seconds_left))
        try:
            predicted = _predict(predictor, model, body, request, timeout, trace)
        finally:
            for kept in lines(trace, model, request.request_id, request.time_ms):
                keep(kept)
    except Waking as waking:
        log(line | {"status": 202, "detail": str(waking)[:300]})
        return _accepted(model, request, waking)
    except Problem as problem:
        line |= {"status": problem.status, "detail": problem.detail[:300], "errors": len(problem.errors)}
        if problem.status >= 500:
            line["cause"] = str(problem.__cause__)[:1000]  # for the log only: it may name accounts and roles
        log(line)
        return problem.to_answer(request_id_of(event))
    whole = _whole(model, predicted)
    told = _headers(whole)
    if _wants_csv(request):
        found = text_answer(200, _csv(predicted.predictions), "text/csv; charset=utf-8", told)
    else:
        found = answer(200, whole, told)
    if _too_large(found["body"]):
        detail = (
            f"The answer for {len(predicted.predictions):,} records with a probability for each class is larger than "
            "6 MB; send fewer records at a time."
        )
        log(line | {"status": 413, "detail": detail})
        return Problem(413, detail).to_answer(request.request_id)
    line |= {
        "status": 200,
        "version": predicted.lane.version,
        "endpoint": predicted.lane.endpoint,
        "records": len(predicted.predictions),
        "tries": predicted.tries,
        "inference_id": predicted.predictions[0]["inference_id"],
        "served_by": predicted.served[0].served_by,
    }
    log(line)
    return found


def _accepted(model: str, request: Request, waking: Waking) -> Json:
    """202: what was asked can be answered when the endpoint is awake. The model's page says how far it is."""
    place = request.full_path.removesuffix("/predictions")
    body = {
        "model": model,
        "state": "waking",
        "detail": f"{waking} Send the request again in {waking.retry_after} s.",
        "retry_after": waking.retry_after,
        "status_url": place,
        "request_id": request.request_id,
    }
    return answer(202, body, {"Retry-After": str(waking.retry_after), "Location": place})


def _whole(model: str, predicted: Predicted) -> Json:
    """Where lanes share the traffic, the answer also says which lanes and versions answered; and while SageMaker shifts
    the endpoint from one version to the next, both that may have."""
    whole: Json = {"model": model, "version": predicted.lane.version, "served_by": predicted.served[0].served_by}
    if predicted.shared or len(predicted.served) > 1:
        whole["lane"] = predicted.lane.slot
    versions = sorted({one.lane.version for one in predicted.served})
    if len(versions) > 1:
        whole["versions"] = versions
        for one in predicted.served:
            for prediction in one.predictions:
                prediction |= {"version": one.lane.version, "lane": one.lane.slot}
    coming = {one.lane.shifting_to for one in predicted.served if one.served_by == ENDPOINT} - {None, *versions}
    if coming:
        whole["versions"] = [*versions, *coming]
    if len({one.served_by for one in predicted.served}) > 1:
        for one in predicted.served:
            for prediction in one.predictions:
                prediction["served_by"] = one.served_by
    return {**whole, "predictions": predicted.predictions}


def _headers(whole: Mapping[str, Any]) -> dict[str, str]:
    """What the JSON answer says beside its predictions, for whoever gets a CSV, or doesn't read the body."""
    found = {
        "X-Version": str(whole["version"]),
        "X-Served-By": whole["served_by"],
        "X-Inference-Id": whole["predictions"][0]["inference_id"],
    }
    if "lane" in whole:
        found["X-Lane"] = whole["lane"]
    if "versions" in whole:
        found["X-Versions"] = ", ".join(str(version) for version in whole["versions"])
    return found


def _caller(request: Request) -> Caller:
    subject = request.headers.get("x-subject") or None
    if subject is not None and len(subject) > LONGEST_SUBJECT:
        raise Problem(400, f"X-Subject has {len(subject):,} characters; at most {LONGEST_SUBJECT} are accepted.")
    return Caller(request.request_id, subject, request.headers.get("x-lane") or None)


def _too_large(body: str) -> bool:
    """Whether Lambda would refuse the answer: the body is a text inside of JSON there, each quote takes two bytes."""
    return len(body) > LARGEST_ANSWER // 6 and len(json.dumps(body)) > LARGEST_ANSWER


def _predict(
    predictor: Predictor, model: str, body: bytes, request: Request, timeout: float, trace: Trace
) -> Predicted:
    if not is_model(model):
        raise Problem(
            404,
            f"There is no model {model[:80]!r}: a model's name is 1 to 40 lower-case letters, digits and hyphens, "
            "starting with a letter. GET models lists those there are.",
        )
    try:
        return predictor.predict(
            model,
            body,
            request.content_type,
            caller=_caller(request),
            time_ms=request.time_ms,
            timeout=timeout,
            trace=trace,
        )
    except InvalidRecords as invalid:
        raise _invalid(invalid) from invalid
    except TooLarge as error:
        raise Problem(413, f"{error}.") from error
    except UnknownLane as error:
        raise Problem(400, f"{error}.") from error
    except NotLive as error:
        raise Problem(
            404,
            f"No version of {model!r} is live: either there is no such model, or none of its versions went live yet. "
            f"GET models/{model} says what it waits for; GET models lists all models.",
            title="Not live",
        ) from error
    except Waking:
        raise  # no problem: see _accepted
    except Unavailable as error:
        detail = f"{error} Try again in {error.retry_after} s; GET models/{model} says how far it is."
        raise Problem(503, detail, headers={"Retry-After": str(error.retry_after)}) from error
    except ModelFailed as error:
        raise Problem(502, f"The model did not answer as it should: {error}", title="Model error") from error
    except Transient as error:
        detail = "A service that predictions need does not answer now; the log has the reason under this request's id."
        raise Problem(503, detail, headers={"Retry-After": "2"}) from error
    except SluicegateError as error:
        detail = "The prediction failed on our side; the log has the reason under this request's id."
        raise Problem(500, detail) from error


def _wants_csv(request: Request) -> bool:
    accepted = [part.split(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return "text/csv" in accepted and "application/json" not in accepted


def _csv(predictions: Sequence[Mapping[str, Any]]) -> str:
    """prediction (of a projection component_1, …), a probability_<class> for each class, distance or anomaly where
    there is one, version, lane and served_by where several answered, inference_id; one line a record, header first.
    """
    first = predictions[0]
    classes = list(dict.fromkeys(name for one in predictions for name in one.get("probabilities", ())))
    beside = [key for key in ("distance", "anomaly", "version", "lane", "served_by") if key in first]
    several = isinstance(first["prediction"], list)
    most = max(len(one["prediction"]) for one in predictions) if several else 0
    said = [f"component_{number}" for number in range(1, most + 1)] if several else ["prediction"]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*said, *(f"probability_{name}" for name in classes), *beside, "inference_id"])
    for one in predictions:
        shares = [one["probabilities"].get(name, "") for name in classes]  # two versions may know other classes
        values = [*one["prediction"], *[""] * (most - len(one["prediction"]))] if several else [one["prediction"]]
        more = [one[key] if isinstance(one[key], str) else json.dumps(one[key]) for key in beside]
        writer.writerow([*values, *shares, *more, one["inference_id"]])
    return text.getvalue().encode("utf-8", "replace").decode()


def _invalid(invalid: InvalidRecords) -> Problem:
    errors = [error.to_json() for error in invalid.errors]
    whole = [error for error in invalid.errors if error.record is None and not error.field]
    if whole:
        text = whole[0].message
        detail = text[:1].upper() + text[1:] + "."
    else:
        detail = f"{len(errors):,} value{'s' if len(errors) != 1 else ''} can't be used; see errors."
    return Problem(invalid.status, detail, errors=errors)
