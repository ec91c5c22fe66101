"""The GET routes of models, versions, runs, uploads, batches and experiments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sluicegate.domain.errors import NotFound, Transient
from sluicegate.http.answers import Json, Problem, answer, text_answer
from sluicegate.http.requests import Request, request_id_of
from sluicegate.services.catalog import Catalog, NoExperiment, NoReport, UnknownModel
from sluicegate.services.paging import InvalidPage

ROUTES = (
    "/models",
    "/models/{model}",
    "/models/{model}/versions",
    "/models/{model}/versions/{version}",
    "/models/{model}/versions/{version}/lineage",
    "/models/{model}/runs",
    "/models/{model}/runs/{run}/report",
    "/models/{model}/drift",
    "/models/{model}/uploads",
    "/models/{model}/uploads/{upload}",
    "/models/{model}/batches",
    "/models/{model}/batches/{batch}",
    "/models/{model}/experiment",
    "/models/{model}/experiments",
    "/models/{model}/experiments/{experiment}",
)
_LARGEST_VERSION = 999_999
_FORMS = {"application/json": "json", "text/html": "html", "application/xhtml+xml": "html", "*/*": "json"}
#: the report comes from the API's own address: it may not run, load or send anything
_REPORT_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "sandbox"
    ),
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
}


def handle(event: Mapping[str, Any], catalog: Catalog, log: Callable[[Json], None]) -> Json:
    """The proxy answer; ``log`` gets one line a request."""
    line: Json = {"request_id": request_id_of(event)}
    try:
        request = Request(event)
        line["path"] = request.path[:200]
        body = _read(request, catalog)
    except Problem as problem:
        log(line | {"status": problem.status, "detail": problem.detail[:300]})
        return problem.to_answer(request_id_of(event))
    log(line | {"status": 200})
    if isinstance(body, str):
        return text_answer(200, body, "text/html; charset=utf-8", _REPORT_HEADERS)
    return answer(200, body)


def _read(request: Request, catalog: Catalog) -> Json | str:
    """The answer's JSON, or an HTML page."""
    if request.method != "GET":
        raise Problem(405, f"{request.method} is not possible here, only GET.", headers={"Allow": "GET"})
    page = (request.query.get("limit"), request.query.get("next"))
    try:
        match request.segments:
            case ["models"]:
                return catalog.models(*page)
            case ["models", model]:
                return catalog.model(model, datetime.fromtimestamp(request.time_ms / 1000, UTC))
            case ["models", model, "versions"]:
                return catalog.versions(model, *page)
            case ["models", model, "versions", version]:
                return _version(catalog.version, model, version)
            case ["models", model, "versions", version, "lineage"]:
                return _version(catalog.lineage, model, version)
            case ["models", model, "runs"]:
                return catalog.runs(model, *page)
            case ["models", model, "runs", run, "report"]:
                return _report(request, catalog, model, run)
            case ["models", model, "drift"]:
                return _drift(request, catalog, model)
            case ["models", model, "uploads"]:
                return catalog.uploads(model, *page)
            case ["models", model, "uploads", upload]:
                return _upload(catalog, model, upload)
            case ["models", model, "batches"]:
                return catalog.batches(model, *page)
            case ["models", model, "batches", batch]:
                return _batch(catalog, model, batch)
            case ["models", model, "experiment"]:
                return catalog.experiment(model)
            case ["models", model, "experiments"]:
                return catalog.experiments(model, *page)
            case ["models", model, "experiments", experiment]:
                return _experiment(catalog, model, experiment)
    except UnknownModel as error:
        raise _unknown(error) from error
    except NoExperiment as error:
        detail = f"Model {str(error)!r} has no experiment yet. PUT models/{error}/experiment starts one."
        raise Problem(404, detail, title="No experiment") from error
    except InvalidPage as error:
        raise Problem(400, f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    except Transient as error:
        raise Problem(503, f"The registry does not answer: {error}"[:300], headers={"Retry-After": "2"}) from error
    raise Problem(404, f"There is nothing at {request.path[:200]}. GET openapi.json lists what there is.")


def _version(read: Callable[[str, int], Json], model: str, version: str) -> Json:
    if not (version.isascii() and version.isdigit() and 1 <= int(version[:9]) <= _LARGEST_VERSION):
        raise Problem(
            400, f"A version is a whole number from 1 to {_LARGEST_VERSION:,} such as 3, not {version[:40]!r}."
        )
    try:
        return read(model, int(version))
    except NotFound as error:
        detail = f"Model {model!r} has no version {int(version)}. GET models/{model}/versions lists them."
        raise Problem(404, detail) from error


def _upload(catalog: Catalog, model: str, upload: str) -> Json:
    try:
        return catalog.upload(model, upload)
    except NotFound as error:
        detail = f"Model {model!r} has no upload {upload[:40]!r}. GET models/{model}/uploads lists them."
        raise Problem(404, detail) from error


def _batch(catalog: Catalog, model: str, batch: str) -> Json:
    try:
        return catalog.batch(model, batch)
    except NotFound as error:
        detail = f"Model {model!r} has no batch {batch[:40]!r}. GET models/{model}/batches lists them."
        raise Problem(404, detail) from error


def _experiment(catalog: Catalog, model: str, experiment: str) -> Json:
    try:
        return catalog.experiment(model, experiment)
    except NotFound as error:
        detail = f"Model {model!r} has no experiment {experiment[:40]!r}. GET models/{model}/experiments lists them."
        raise Problem(404, detail) from error


def _report(request: Request, catalog: Catalog, model: str, run: str) -> Json | str:
    try:
        return _in_form(request, partial(catalog.report, model, run), partial(catalog.report_link, model, run))
    except NotFound as error:
        detail = f"Model {model!r} has no run {run[:40]!r}. GET models/{model}/runs lists them."
        raise Problem(404, detail) from error
    except NoReport as error:
        raise Problem(404, f"Run {run} has no report to show: {error}.", title="No report") from error


def _drift(request: Request, catalog: Catalog, model: str) -> Json | str:
    try:
        return _in_form(request, partial(catalog.drift, model), partial(catalog.drift_link, model))
    except NoReport as error:
        raise Problem(404, f"Model {model} has no drift report to show: {error}.", title="No report") from error


def _in_form(request: Request, read: Callable[[str], bytes], link: Callable[[], Json]) -> Json | str:
    """The form is what ``as`` says (json, html, link), else what Accept prefers, else JSON."""
    form = request.query.get("as") or accepted(request.headers.get("accept", ""))
    if form not in ("json", "html", "link"):
        raise Problem(400, f"as is json, html or link, not {form[:40]!r}.")
    if form == "link":
        return link()
    content = read(form).decode()
    return content if form == "html" else dict(json.loads(content))


def accepted(header: str) -> str:
    """``json`` or ``html``: what an Accept header likes better. Quality values as RFC 9110, 12.5.1, says.

    >>> accepted("text/html,application/xhtml+xml,*/*;q=0.8"), accepted("application/json, text/html;q=0.9")
    ('html', 'json')
    >>> accepted("")
    'json'
    """
    best, liked = "json", 0.0
    for part in header.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        if kind in _FORMS and weight > liked:
            best, liked = _FORMS[kind], weight
    return best


def _unknown(error: UnknownModel) -> Problem:
    names = " or ".join(repr(name) for name in error.close)
    hint = f"Did you mean {names}?" if names else "GET models lists those there are."
    return Problem(
        404,
        f"There is no model {error.model[:80]!r}. {hint} A model begins with a file under data/<model>/ in the bucket.",
        title="Unknown model",
    )
