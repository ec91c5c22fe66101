"""``drift``: whether what comes in, what goes out and how good it is still are as in training."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from sluice import output, story
from sluice.context import Context, pass_context

_MOST_COLUMNS = 20
_PARTS = {"*": "all columns", "prediction": "predictions"}


@click.command("drift")
@click.argument("model")
@click.option("--all", "everything", is_flag=True, help="All columns, not only those that moved most.")
@click.option("--open", "open_it", is_flag=True, help="Open the report in a browser.")
@click.option("--json", "as_json", is_flag=True, help="All numbers, for programs.")
@pass_context
def drift_command(context: Context, model: str, everything: bool, open_it: bool, as_json: bool) -> None:
    """Show whether MODEL's predictions have moved away from its training: the newest look.

    The exit status is 1 when they have, 0 when they have not or there were too few to compare.

    \b
    Examples:
      sluice drift churn
      sluice drift churn --open
    """
    path = f"models/{quote(model, safe='')}/drift"
    report = context.api.get(path)
    if as_json:
        output.as_json(report)
    else:
        _show(report, everything)
        address = str(context.api.get(f"{path}?as=link")["url"])
        output.plain(f"\nThe whole report, for five minutes: {address}")
        if open_it:
            output.show_page(address)
    if report["drifted"]:
        click.get_current_context().exit(1)


def _show(report: dict[str, Any], everything: bool) -> None:
    period = f"{_time(report['since'])} to {_time(report['until'])}"
    output.plain(f"{report['model']}, version {report['version']}, {report['rows']:,} predictions, {period}")
    compared = report["columns"] or report["prediction"] or report["quality"]
    if report["drifted"]:
        output.mark("bad", "has drifted")
    elif compared:
        output.mark("done", "nothing that was compared has moved away from training")
    else:
        output.mark("note", "nothing could be compared")
    for reason in report["reasons"]:
        output.plain(f"  {reason}")
    rows = [*([report["prediction"]] if report["prediction"] else []), *report["columns"]]
    shown = rows if everything else rows[:_MOST_COLUMNS]
    if shown:
        output.plain("")
        heads = ("column", "PSI", "p", "missing", "unseen", "drifted")
        output.table(heads, [_row(found) for found in shown], "")
    if len(rows) > len(shown):
        output.plain(f"… and {len(rows) - len(shown):,} that moved less: --all")
    if report["quality"] and not report["quality"]["drifted"]:
        output.plain(f"\nquality: {report['quality']['reason']}")
    said = list(report["not_compared"].items())
    for name, why in said if everything else said[:_MOST_COLUMNS]:
        output.mark("note", f"{_PARTS.get(name, name)} not compared: {why}")
    if not everything and len(said) > _MOST_COLUMNS:
        output.plain(f"… and {len(said) - _MOST_COLUMNS:,} more: --all")


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    return (
        found["name"],
        story.number(found["psi"]),
        f"{found['adjusted']:.2g}",
        f"{found['missing_before']:.1%} → {found['missing']:.1%}",
        f"{found['unseen']:.1%}",
        "yes" if found["drifted"] else "",
    )


def _time(at: str) -> str:
    return f"{at[:10]} {at[11:16]} UTC"
