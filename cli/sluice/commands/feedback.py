"""``feedback``: say what became of predictions."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from sluice import output
from sluice.context import Context, pass_context
from sluice.errors import CliError

#: what one request takes
_BATCH = 100


@click.command("feedback")
@click.argument("model")
@click.argument("inference_id", required=False)
@click.option("--label", metavar="TEXT", help="What turned out to be true.")
@click.option(
    "--reward", type=float, metavar="NUMBER", help="How good the outcome was (feedback.reward in model.yaml)."
)
@click.option("--file", "source", metavar="FILE|-", help="CSV or JSON lines of inference_id with label or reward.")
@click.option("--json", "as_json", is_flag=True, help="The API's answers, for programs.")
@pass_context
def feedback_command(
    context: Context,
    model: str,
    inference_id: str | None,
    label: str | None,
    reward: float | None,
    source: str | None,
    as_json: bool,
) -> None:
    """Say what became of MODEL's predictions: of one, by its INFERENCE_ID, or of those in a file.

    Each prediction's label counts once, and so does its reward. What is refused is listed with the reason.

    \b
    Examples:
      sluice feedback churn AWcwinyhxgAA… --label yes
      sluice feedback churn AWcwinyhxgAA… --reward 0.5
      sluice feedback churn --file outcomes.csv
    """
    one = inference_id is not None and (label is None) != (reward is None) and source is None
    many = source is not None and inference_id is None and label is None and reward is None
    if not one and not many:
        raise CliError(
            "Give an inference id with --label or --reward, or a --file.",
            "`sluice feedback --help` has examples.",
            exit_code=2,
        )
    if source is not None:
        items = list(read_feedback(source))
    else:
        items = [{"inference_id": inference_id, **({"label": label} if reward is None else {"reward": reward})}]
        items = [typed(item) for item in items]
    path = f"models/{quote(model, safe='')}/feedback"
    results = [result for batch in _batches(items) for result in context.api.post(path, {"feedback": batch})["results"]]
    accepted = sum(bool(result["accepted"]) for result in results)
    if as_json:
        output.as_json({"model": model, "accepted": accepted, "results": results})
    else:
        _tell(results, accepted)
    if accepted < len(results):
        sys.exit(1)


def _tell(results: Sequence[dict[str, Any]], accepted: int) -> None:
    refused = [result for result in results if not result["accepted"]]
    if refused:
        rows = [(result.get("inference_id"), result["reason"], result["message"]) for result in refused]
        output.table(("inference id", "refused", "why"), rows, "")
    click.echo(f"{accepted:,} of {len(results):,} taken.")


def read_feedback(source: str) -> Iterator[dict[str, Any]]:
    """The pieces of feedback in a file: JSON lines, a JSON list, or CSV with a header. Empty fields are left out."""
    if source == "-":
        content = sys.stdin.buffer.read()
    else:
        if not Path(source).is_file():
            raise CliError(f"There is no file {source}.", "Give a CSV or JSON file, or -.", exit_code=2)
        content = Path(source).read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CliError(f"{source} is not UTF-8: {error}.", "Save it as UTF-8.", exit_code=2) from None
    if not text.strip():
        raise CliError(f"There is nothing in {source}.", "Give inference_id with label or reward.", exit_code=2)
    if text.lstrip()[0] in "[{":
        yield from _json(text, source)
        return
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if "inference_id" not in (reader.fieldnames or ()):
        raise CliError(
            f"{source} has no column inference_id.",
            "Its header is inference_id,label or inference_id,reward.",
            exit_code=2,
        )
    for row in reader:
        known = {name: value for name, value in row.items() if name in ("inference_id", "label", "reward") and value}
        yield typed(known)


def _json(text: str, source: str) -> Iterator[dict[str, Any]]:
    try:
        if text.lstrip()[0] == "[":
            yield from json.loads(text)
            return
        for line in text.splitlines():
            if line.strip():
                yield json.loads(line)
    except ValueError as error:
        raise CliError(f"{source} is not valid JSON: {error}.", "Correct it.", exit_code=2) from None


def typed(item: dict[str, Any]) -> dict[str, Any]:
    """Numbers that came as text are numbers; where the model has classes, the API reads 1 as the class "1".

    >>> typed({"label": "1"}), typed({"label": "01"}), typed({"reward": "0.50"})
    ({'label': 1}, {'label': '01'}, {'reward': 0.5})
    """
    found = dict(item)
    for name, value in item.items():
        if name == "inference_id" or not isinstance(value, str):
            continue
        try:
            number = json.loads(value)
        except ValueError:
            continue
        exact = name == "reward" or json.dumps(number) == value  # a class may be named 1.50
        if isinstance(number, (int, float)) and not isinstance(number, bool) and exact:
            found[name] = number
    return found


def _batches(items: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
