"""``watch``, ``models`` and its kin, ``predict``, ``open``: what goes through the HTTP API."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from sluice import output, story, trials, watching
from sluice.commands.sleep import endpoint_text, predicted, saved_text
from sluice.context import Context, pass_context
from sluice.errors import CliError

_json_option = click.option("--json", "as_json", is_flag=True, help="The API's answer, for programs.")


@click.command("watch")
@click.argument("model")
@click.option("--timeout", type=click.FloatRange(0), default=1800.0, show_default=True, help="Seconds.")
@click.option("--quiet", is_flag=True, help="Don't show how to call the model at the end.")
@pass_context
def watch_command(context: Context, model: str, timeout: float, quiet: bool) -> None:
    """Follow the newest upload of MODEL until its model is live, rejected or failed.

    The exit status is 0 when it is live, or compared in an experiment; 1 when it failed or was rejected; 3 when a
    person has to approve it, or the first version needs more rows (retrain.min_new_rows).

    \b
    Examples:
      sluice watch churn
      sluice watch churn --timeout 120 && ./use-it.sh
    """
    target = context.target
    outcome = watching.watch(target, model, timeout)
    if outcome.exit_code == 0 and not quiet:
        output.plain("\nCall it:")
        for line in watching.how_to_call(target, model):
            output.plain(f"  {line}")
    if outcome.remedy:
        output.plain(f"  {outcome.remedy}")
    sys.exit(outcome.exit_code)


#: as much of a message as a table's row shows
_LINE = 120


def _first_line(message: object) -> str:
    """A table shows how a message begins; `sluice model` shows all of it."""
    first, _, rest = str(message or "").partition("\n")
    return first[: _LINE - 1] + "…" if len(first) > _LINE else first + (" …" if rest else "")


@click.command("models")
@_json_option
@pass_context
def models_command(context: Context, as_json: bool) -> None:
    """List the models, and files that belong to none."""
    answer = context.api.get("models")
    if as_json:
        output.as_json(answer)
        return
    rows = [
        (
            m["model"],
            m.get("state"),
            m.get("live_version"),
            m.get("problem"),
            m.get("target"),
            _first_line(m.get("message")),
        )
        for m in answer.get("models") or []
    ]
    bucket = context.target.bucket
    output.table(
        ("model", "state", "live", "problem", "target", "message"),
        rows,
        f"No models yet. Drop a CSV with a header: aws s3 cp FILE.csv s3://{bucket}/data/MODEL/",
    )
    for upload in answer.get("unplaced") or []:
        error = upload.get("error") or {}
        output.mark("bad", f"{upload.get('key')}: {story.sentence_of(error)} {story.remedy_of(error)}".rstrip())


@click.command("model")
@click.argument("model")
@_json_option
@pass_context
def model_command(context: Context, model: str, as_json: bool) -> None:
    """Show one model: state, columns, live version, last run."""
    detail = context.api.get(f"models/{quote(model, safe='')}")
    if as_json:
        output.as_json(detail)
        return
    live = detail.get("live") or {}
    output.plain(
        f"{detail['model']}: {detail.get('state')}" + (f" – {detail['message']}" if detail.get("message") else "")
    )
    facts = {
        "problem": detail.get("problem"),
        "target": detail.get("target"),
        "classes": ", ".join(str(name) for name in detail.get("classes") or []) or None,
        "live version": f"{live['version']} since {live.get('since')}" if live.get("version") else None,
        "metrics": metrics_text(live.get("metrics")) or None,
        "endpoint": endpoint_text(detail),
        "saved": saved_text(detail) or None,
        "active run": detail.get("active_run"),
        "settings": story.sentence_of(detail["settings_problem"]) if detail.get("settings_problem") else None,
    }
    for name, value in facts.items():
        if value is not None:
            output.plain(f"  {name}: {value}")
    columns = (detail.get("schema") or {}).get("columns") or []
    rows = [
        (
            column["name"],
            column["type"] + (f" ({column['format']})" if column.get("format") else ""),
            ", ".join(str(name) for name in column.get("categories") or [])
            or (f"{column.get('minimum')} … {column.get('maximum')}" if column.get("minimum") is not None else ""),
            column.get("example"),
        )
        for column in columns
    ]
    output.table(("column", "type", "values", "example"), rows, "No columns known yet: no upload was accepted.")


def _listing(
    name: str, key: str, columns: tuple[str, ...], row: Callable[[dict[str, Any]], tuple[Any, ...]], help_: str
) -> click.Command:
    """A command that shows one list of a model as a table."""

    def run(context: Context, model: str, as_json: bool) -> None:
        answer = context.api.get(f"models/{quote(model, safe='')}/{key}")
        if as_json:
            output.as_json(answer)
            return
        output.table(columns, [row(item) for item in answer.get(key) or []], f"{model} has no {key} yet.")

    command = click.command(name, help=help_)(click.argument("model")(_json_option(pass_context(run))))
    assert isinstance(command, click.Command)
    return command


uploads_command = _listing(
    "uploads",
    "uploads",
    ("upload", "key", "status", "accepted", "rejected", "received", "why"),
    lambda u: (
        u["upload"],
        u.get("key"),
        u.get("status"),
        u.get("accepted_rows"),
        u.get("rejected_rows"),
        u.get("received_at"),
        story.sentence_of(u.get("error")) or "; ".join(u.get("notes") or []),
    ),
    "List what was dropped for MODEL and what became of it, newest first.",
)

runs_command = _listing(
    "runs",
    "runs",
    ("run", "status", "metric", "version", "cost", "created", "why"),
    lambda r: (
        r["run"],
        r.get("status"),
        story.metric_of(r),
        r.get("version"),
        trials.cost_text(r.get("cost")),
        r.get("created_at"),
        story.sentence_of(r.get("error")) or story.reason_of(r),
    ),
    "List MODEL's attempts to become better, newest first.",
)


@click.command("trials")
@click.argument("model")
@click.argument("run", required=False)
@_json_option
@pass_context
def trials_command(context: Context, model: str, run: str | None, as_json: bool) -> None:
    """List the training jobs of MODEL's newest tuning job, or of RUN's: best first."""
    runs = context.api.get(f"models/{quote(model, safe='')}/runs?limit=200").get("runs") or []
    found = trials.newest(runs, run)
    if found is None and run is not None:
        raise CliError(f"{model} has no run {run}.", f"`sluice runs {model}` lists them.", exit_code=2)
    search = (found or {}).get("tuning")
    if as_json:
        output.as_json(search)
        return
    if not search:
        output.plain(f"{f'Run {run}' if run else model} has tuned nothing; algorithm.tuning in model.yaml asks for it.")
        return
    output.plain(trials.headline(search))
    output.table(trials.COLUMNS, trials.rows(search), "No training job has begun yet.")


def metrics_text(metrics: Mapping[str, Any] | None) -> str:
    """``auc 0.91, accuracy 0.84``"""
    parts = []
    for name, value in (metrics or {}).items():
        measured = value.get("value") if isinstance(value, Mapping) else value
        if measured is not None:
            parts.append(f"{name} {story.number(measured)}")
    return ", ".join(parts)


@click.command("predict")
@click.argument("model")
@click.argument("given", nargs=-1, required=True, metavar="FILE|-|KEY=VALUE…")
@click.option("--subject", metavar="TEXT", help="Whom it is for: while versions share the traffic, it stays with one.")
@click.option("--lane", metavar="NAME", help="For testers: challenger, shadow, v4, …; counts in no experiment.")
@_json_option
@pass_context
def predict_command(
    context: Context, model: str, given: tuple[str, ...], subject: str | None, lane: str | None, as_json: bool
) -> None:
    """Ask MODEL: for one record given as KEY=VALUE, or for the records of a JSON, JSONL or CSV file (- is
    standard input).

    \b
    Examples:
      sluice predict churn age=41 plan=basic
      sluice predict churn record.json
      sluice predict churn new-customers.csv
      sluice predict churn record.json --lane challenger
      echo '{"age": 41}' | sluice predict churn -
    """
    api = context.api
    if len(given) == 1 and "=" not in given[0]:
        body, kind = read_records(given[0])
    else:
        detail = api.get(f"models/{quote(model, safe='')}")
        record = record_of(given, (detail.get("schema") or {}).get("columns") or [])
        body, kind = json.dumps({"records": [record]}).encode(), "application/json"
    answer = predicted(context, model, body, kind, told=not as_json, subject=subject, lane=lane)
    if as_json:
        output.as_json(answer)
        return
    rows = [
        (
            prediction_text(item["prediction"]),
            beside_text(item),
            item.get("version", answer.get("version")),
            item.get("inference_id"),
        )
        for item in answer["predictions"]
    ]
    beside = next(
        (what for key, what in _BESIDE.items() if answer["predictions"] and key in answer["predictions"][0]), ""
    )
    output.table(("prediction", beside, "version", "inference id"), rows, "No predictions.", whole=True)


#: what an algorithm may say beside its prediction, and the column's head
_BESIDE = {"probabilities": "probabilities", "distance": "distance", "anomaly": "anomaly"}


def prediction_text(prediction: Any) -> str:
    """A class, a number, or the numbers of a projection."""
    if isinstance(prediction, list):
        return ", ".join(f"{part:.4g}" for part in prediction)
    return str(prediction)


def beside_text(item: Mapping[str, Any]) -> str:
    if "distance" in item:
        return f"{item['distance']:.4g}"
    if "anomaly" in item:
        return "yes" if item["anomaly"] else "no"
    return probabilities_text(item.get("probabilities"))


def probabilities_text(probabilities: Mapping[str, float] | None) -> str:
    return ", ".join(f"{name} {share:.3f}" for name, share in (probabilities or {}).items())


def read_records(source: str) -> tuple[bytes, str]:
    """Body and content type of a file (or standard input): JSON, whole or a record a line, becomes
    ``{"records": […]}``; anything else is CSV."""
    if source == "-":
        text = sys.stdin.buffer.read()
    else:
        path = Path(source)
        if not path.is_file():
            raise CliError(f"There is no file {source}.", "Give a JSON or CSV file, - or KEY=VALUE pairs.", exit_code=2)
        text = path.read_bytes()
    if not text.strip():
        raise CliError("There are no records: the input is empty.", "Give JSON, or CSV with a header.", exit_code=2)
    if text.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        return text, "text/csv"
    try:
        data = _json(text.decode("utf-8-sig"))
    except ValueError as error:
        raise CliError(f"{source} is not valid JSON: {error}.", "Correct it.", exit_code=2) from None
    if isinstance(data, list):
        data = {"records": data}
    elif "records" not in data:
        data = {"records": [data]}
    return json.dumps(data).encode(), "application/json"


def _json(text: str) -> Any:
    """``text`` as JSON, or the list of its lines where they are one object each. Raises ``ValueError``."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Extra data") or "\n" not in text[: error.pos]:
            raise
    records = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}: {error}") from None
    return records


def record_of(pairs: tuple[str, ...], columns: list[dict[str, Any]]) -> dict[str, Any]:
    """A record from ``KEY=VALUE`` pairs, each value read as its column's type; empty is missing."""
    types = {column["name"]: column["type"] for column in columns}
    record: dict[str, Any] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise CliError(f"{pair} is not KEY=VALUE.", "Write it like age=41, or give one file.", exit_code=2)
        record[name] = _typed(text, types.get(name, ""))
    return record


def _typed(text: str, kind: str) -> Any:
    if text == "":
        return None
    if kind == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "number":
        try:
            return float(text) if not text.lstrip("-").isdigit() else int(text)
        except ValueError:
            return text  # the API says what is wrong with it, beside everything else
    return text


@click.command("open")
@pass_context
def open_command(context: Context) -> None:
    """Show the web page's address, and open it in a browser where there is one."""
    address = context.target.output("WebUrl")
    output.plain(address)
    output.show_page(address)
