"""``POST models/{model}/feedback``: from the proxy event to the answer or the problem."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sluicegate.domain.errors import SluicegateError, Transient
from sluicegate.domain.feedback import MOST, Accepted, Refused
from sluicegate.domain.items import stamp
from sluicegate.domain.names import is_model
from sluicegate.http.answers import Json, Problem, answer
from sluicegate.http.requests import Request, request_id_of
from sluicegate.services.feedback import Feedback, NeverLive

_LARGEST_BODY = 256 * 1024
_TITLES = {409: "Counted already", 410: "Too late"}
_SHOWN = 64


def handle(event: Mapping[str, Any], feedback: Feedback, log: Callable[[Json], None]) -> Json:
    """The proxy answer; ``log`` gets one line a request, never what was said."""
    line: Json = {"request_id": request_id_of(event)}
    try:
        request = Request(event)
        model = next(iter(request.segments[1:2]), "")
        line["model"] = model[:80]
        items, single = _items(request)
        outcomes = _take(feedback, model, items, request)
        refusals = [one for one in outcomes if isinstance(one, Refused)]
        line |= {"accepted": len(outcomes) - len(refusals), "refused": sorted({one.reason for one in refusals})}
        if single and refusals:
            raise _problem(refusals[0])
    except Problem as problem:
        line |= {"status": problem.status, "detail": problem.detail[:300]}
        if problem.status >= 500:
            line["cause"] = str(problem.__cause__)[:1000]
        log(line)
        return problem.to_answer(request_id_of(event))
    log(line | {"status": 200})
    if single and isinstance(outcomes[0], Accepted):
        return answer(200, {"model": model, **_taken(outcomes[0])})
    results = [_result(item, one) for item, one in zip(items, outcomes, strict=True)]
    return answer(200, {"model": model, "accepted": line["accepted"], "results": results})


def _items(request: Request) -> tuple[list[object], bool]:
    """What was sent, and whether it was one piece outside of a list."""
    try:
        document = json.loads(request.body(_LARGEST_BODY).decode("utf-8-sig") or "null")
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"The body is not JSON: {str(error)[:200]}.") from error
    if not isinstance(document, dict):
        raise Problem(400, 'Send {"inference_id": "…", "label": …} or {"feedback": [{…}, …]}.')
    if "feedback" not in document:
        return [document], True
    items = document["feedback"]
    if set(document) != {"feedback"} or not isinstance(items, list) or not items:
        raise Problem(400, '"feedback" must be a list of at least one {"inference_id", "label" or "reward"}, alone.')
    if len(items) > MOST:
        raise Problem(413, f"There are {len(items):,} pieces of feedback; at most {MOST} are accepted in one request.")
    return items, False


def _take(feedback: Feedback, model: str, items: list[object], request: Request) -> list[Accepted | Refused]:
    if not is_model(model):
        raise Problem(404, f"There is no model {model[:80]!r}. GET models lists those there are.")
    try:
        return feedback.take(model, items, request.time_ms, request.request_id)
    except NeverLive as error:
        detail = f"No version of {model!r} ever went live, so there are no predictions to say something of."
        raise Problem(404, detail, title="Not live") from error
    except Transient as error:
        detail = "A service that feedback needs does not answer now. What was sent again counts once."
        raise Problem(503, detail, headers={"Retry-After": "2"}) from error
    except SluicegateError as error:
        detail = "The feedback could not be taken on our side; the log has the reason under this request's id."
        raise Problem(500, detail) from error


def _taken(one: Accepted) -> Json:
    predicted = datetime.fromtimestamp(one.read.time_ms / 1000, UTC)
    return {
        "inference_id": one.inference_id,
        "accepted": True,
        "version": one.read.version,
        "lane": one.read.slot,
        "predicted_at": stamp(predicted),
    }


def _result(item: object, one: Accepted | Refused) -> Json:
    if isinstance(one, Accepted):
        return _taken(one)
    named = item.get("inference_id") if isinstance(item, Mapping) else None
    shown = named[:_SHOWN] if isinstance(named, str) else None
    return {"inference_id": shown, "accepted": False, "reason": one.reason, "message": one.message}


def _problem(refused: Refused) -> Problem:
    detail = f"{refused.message[:1].upper()}{refused.message[1:]}."
    error = {"record": 0, "field": refused.field, "message": refused.message, "reason": refused.reason}
    return Problem(refused.status, detail, title=_TITLES.get(refused.status, "Feedback refused"), errors=[error])
