"""``report``: what a run's evaluation says, on the terminal, in a browser or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from sluice import output, story
from sluice.api import Api
from sluice.commands.models import metrics_text
from sluice.context import Context, pass_context
from sluice.errors import CliError


@click.command("report")
@click.argument("model")
@click.argument("run", required=False)
@click.option("--version", type=click.IntRange(1), metavar="N", help="The report of version N.")
@click.option("--open", "open_it", is_flag=True, help="Open the page in a browser.")
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write the page to FILE, or the numbers if it ends in .json.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="All numbers, for programs.")
@pass_context
def report_command(
    context: Context,
    model: str,
    run: str | None,
    version: int | None,
    open_it: bool,
    target: Path | None,
    as_json: bool,
) -> None:
    """Show how good MODEL is: of RUN, of a version, or of the newest run that was measured.

    \b
    Examples:
      sluice report churn
      sluice report churn --open
      sluice report churn --version 3 -o churn-3.html
    """
    api = context.api
    name = quote(model, safe="")
    found = _run(api, model, run, version)
    path = f"models/{name}/runs/{quote(found, safe='')}/report"
    if target is not None:
        text = api.text(path, "application/json" if target.suffix == ".json" else "text/html")
        target.write_text(text, encoding="utf-8")
        output.mark("done", f"the report of run {found} is in {target}")
    if open_it:
        address = str(api.get(f"{path}?as=link")["url"])
        if target is None:
            output.plain(address)
        output.show_page(address)
    if as_json:
        output.as_json(api.get(path))
    elif target is None and not open_it:
        _show(api.get(path), model)


def _run(api: Api, model: str, run: str | None, version: int | None) -> str:
    """The run that is meant. ``CliError`` when there is none."""
    name = quote(model, safe="")
    if run is not None and version is not None:
        raise CliError("A run and --version can't both be given.", "Leave one of them out.", exit_code=2)
    if run is not None:
        return run
    if version is not None:
        return str(api.get(f"models/{name}/versions/{version}")["run"])
    runs = api.get(f"models/{name}/runs?limit=200").get("runs") or []
    found = next((item for item in runs if item.get("report")), None)
    if found is None:
        raise CliError(
            f"{model} has no run that was measured yet.", f"`sluice watch {quote(model)}` follows the one under way."
        )
    return str(found["run"])


def _show(report: dict[str, Any], model: str) -> None:
    verdict = report["verdict"]
    output.plain(f"{model}, run {report['run']}, on {report['rows']:,} rows that it had not seen")
    output.mark("done" if verdict["accepted"] else "bad", str(verdict["reason"]))
    output.plain(f"  metrics: {metrics_text(report['metrics'])}")
    base = report.get("baseline")
    if base:
        output.plain(f"  without features: {report['metric']} {story.number(base['value'])} ({base['how']})")
    _show_importance(report["importance"], report["metric"])
    for finding in (report.get("data") or {}).get("findings") or []:
        output.mark("note", str(finding["text"]))
    output.plain(f"\nThe whole report: sluice report {model} {report['run']} --open")


def _show_importance(found: dict[str, Any], metric: str) -> None:
    shuffled, reported = found["permutation"], found["reported"]
    if "absent" in shuffled and "absent" in reported:
        output.plain(f"  goes by: not known ({shuffled['absent']})")
    if shuffled.get("columns"):
        lost = (f"{row['column']} {story.number(row['value'])}" for row in shuffled["columns"][:6])
        output.plain(f"  {metric} is worse without: {', '.join(lost)}")
    if reported.get("columns"):
        shares = (f"{row['column']} {100 * row['share']:.0f} %" for row in reported["columns"][:6])
        output.plain(f"  {reported['kind']}: {', '.join(shares)}")
