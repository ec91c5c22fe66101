"""What a version goes by: each column's loss when it is shuffled beside what the model itself says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sluicegate.report.figures import percent
from sluicegate.report.html import Markup, element, join
from sluicegate.report.svg import meter, number, span

Json = Mapping[str, Any]
#: columns on the page; report.json has them all
_MOST = 25
_MOST_FEATURES = 15
_REPORTED = {"gain": "Gain of its splits", "weights": "Its weights", "script": "What it says itself"}


def importance(found: Json, metric: str, falls: bool) -> Markup:
    """``metric`` as people call it; ``falls``: whether a worse model has less of it."""
    shuffled, reported = found["permutation"], found["reported"]
    if "absent" in shuffled and "absent" in reported:
        return element("p", f"Not known: {shuffled['absent']}; and {reported['absent']}.", kind="sub")
    parts = [
        element("p", f"Columns were not shuffled: {shuffled['absent']}.", kind="sub")
        if "absent" in shuffled
        else _shuffled(shuffled, metric, falls),
        element("p", f"The model doesn't say it itself: {reported['absent']}.", kind="sub")
        if "absent" in reported
        else _reported(reported),
    ]
    return element("div", *parts, kind="two")


def _shuffled(found: Json, metric: str, falls: bool) -> Markup:
    shown = found["columns"][:_MOST]
    low, high = min((row["low"] for row in shown), default=0.0), max((row["high"] for row in shown), default=0.0)
    ends = (min(0.0, low), max(0.0, high))
    rows = [
        (
            row["column"],
            Markup(span(row["low"], row["high"], row["value"], ends, 0.0)),
            _within(row),
        )
        for row in shown
    ]
    sampled = "the" if found["rows"] == found["of"] else f"{found['rows']:,} of"
    caption = (
        f"{metric} is {number(found['value'])} over {sampled} {found['of']:,} rows held out. So much "
        f"{'of it is lost' if falls else 'is added to it'} when the values of one column are shuffled, with 95 % "
        "intervals; the dashed line is no change. Columns that say the same stand in for each other: each of them then "
        "looks less important than they are together."
    )
    notes = [
        f"Not used by the model: {', '.join(found['unused'])}"
        + (f" and {found['more_unused']:,} more." if found["more_unused"] else ".")
        if found["unused"]
        else None,
        _left_out(len(found["columns"]) - len(shown), "less important columns are in report.json"),
        _left_out(found["more_columns"], "columns were not shuffled: it would take too long"),
    ]
    heads = ("column", "", f"{metric} {'lost' if falls else 'added'}")
    return _part("Without the column", heads, rows, caption, notes)


def _reported(found: Json) -> Markup:
    columns = found["columns"][:_MOST]
    names = {row["column"] for row in found["columns"]}
    note = _left_out(len(found["columns"]) - len(columns), "smaller ones are in report.json")
    main = _part(_REPORTED[found["kind"]], ("column", "", "share"), _shares(columns, "column"), found["method"], [note])
    if all(row["feature"] in names for row in found["features"]):
        return main
    features = found["features"][:_MOST_FEATURES]
    more = _table(("feature", "", "share"), _shares(features, "feature"))
    return element(
        "div", main, element("details", element("summary", f"The {len(features)} largest after encoding"), more)
    )


def _shares(rows: Iterable[Json], name: str) -> list[tuple[object, object, object]]:
    listed = list(rows)
    largest = max((row["share"] for row in listed), default=1.0) or 1.0
    return [(row[name], Markup(meter(row["share"] / largest)), percent(row["share"])) for row in listed]


def _part(
    title: str,
    heads: tuple[str, str, str],
    rows: Iterable[tuple[object, object, object]],
    caption: str,
    notes: Iterable[str | None],
) -> Markup:
    said = [element("p", note, kind="sub") for note in notes if note]
    return element("div", element("h3", title), element("p", caption, kind="sub"), _table(heads, rows), *said)


def _table(heads: tuple[str, str, str], rows: Iterable[tuple[object, object, object]]) -> Markup:
    name, _, value = heads
    head = element(
        "tr",
        element("th", name, scope="col"),
        element("th", "", kind="wide"),
        element("th", value, kind="n", scope="col"),
    )
    body = [
        element(
            "tr",
            element("th", column, scope="row"),
            element("td", drawing, kind="wide"),
            element("td", number_of_it, kind="n"),
        )
        for column, drawing, number_of_it in rows
    ]
    table = element("table", element("thead", head), element("tbody", *body), kind="ranks")
    return element("div", table, kind="scroll")


def _left_out(count: int, what: str) -> str | None:
    return f"{count:,} {what}." if count > 0 else None


def _within(row: Json) -> Markup:
    interval = element("small", f"{_rough(row['low'])} to {_rough(row['high'])}")
    return join([_signed(number(row["value"])), " ", interval])


def _signed(written: str) -> str:
    return written.replace("-", "−", 1)


def _rough(value: float) -> str:
    """Two digits are enough for the end of an interval.

    >>> _rough(-0.014713), _rough(0.00012), _rough(1234.5)
    ('−0.015', '0.00012', '1,234')
    """
    return _signed(number(value, 3) if abs(value) >= 10 else number(float(f"{value:.2g}"), 6))
