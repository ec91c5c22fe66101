"""A drift report as one HTML file: what has moved since training, and how it was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluicegate.domain.distribution import Distribution
from sluicegate.report.document import document
from sluicegate.report.figures import percent
from sluicegate.report.html import Markup, card, element, facts, join, table
from sluicegate.report.page import shown
from sluicegate.report.svg import number, pairs, span

Json = Mapping[str, Any]
_MOST_COLUMNS = 300


def render(report: Json) -> str:
    """The page of ``report`` (the content of ``report.json``)."""
    body = [_head(report), _quality(report), _predictions(report), _columns(report), _left_out(report), _read(report)]
    return document(f"{report['model']}: drift until {report['until'][:16]}", body)


def _head(report: Json) -> Markup:
    reasons = [element("li", reason) for reason in report["reasons"]]
    compared = report["columns"] or report["prediction"] or report["quality"]
    if report["drifted"]:
        sign, kind, said = "✗", "rejected", f"Version {report['version']} has drifted."
    elif compared:
        sign, kind, said = "✓", "accepted", "Nothing that was compared has moved away from training."
    else:
        sign, kind, said = "!", "neutral", "Nothing could be compared; below is why."
    rows = report["rows"]
    return join(
        [
            element(
                "header",
                element("p", f"Drift report · version {report['version']}", kind="over"),
                element("h1", report["model"]),
                element(
                    "p",
                    f"{rows:,} prediction{'' if rows == 1 else 's'} from {_moment(report['since'])} to "
                    f"{_moment(report['until'])}, compared with training",
                    kind="sub",
                ),
            ),
            element(
                "section",
                element("strong", sign, aria_hidden="true"),
                element("div", element("p", said), element("ul", *reasons, kind="reasons") if reasons else None),
                kind=f"verdict {kind}",
                aria_label="Verdict",
            ),
        ]
    )


def _quality(report: Json) -> Markup:
    found = report["quality"]
    if not found:
        return Markup("")
    both = [("evaluation", found["expected"]), ("feedback", found["seen"])]
    low, high = min(part["low"] for _, part in both), max(part["high"] for _, part in both)
    gap = (high - low) * 0.1 or 0.5
    rows = [
        (
            name,
            number(part["value"]),
            f"{number(part['low'])} to {number(part['high'])}",
            Markup(span(part["low"], part["high"], part["value"], (low - gap, high + gap))),
        )
        for name, part in both
    ]
    return card(
        "How good it is",
        table(
            f"{shown(found['metric'])}, by {found['rows']:,} labels", ("by", "value", "95 % interval", ""), rows, (1,)
        ),
        None if found["drifted"] else element("p", found["reason"], kind="sub"),
    )


def _predictions(report: Json) -> Markup:
    found = report["prediction"]
    return card("What it says", _table("Predictions", [found]), _bins(found)) if found else Markup("")


def _columns(report: Json) -> Markup:
    columns = report["columns"]
    if not columns:
        return Markup("")
    drawn = columns[:_MOST_COLUMNS]
    more = f" The {len(columns) - len(drawn):,} that moved least are not shown." if len(columns) > len(drawn) else ""
    limits = report["settings"]
    said = (
        f"Drift: a PSI of at least {number(limits['psi'])}, and a chi-square test that agrees at a false discovery "
        f"rate of {percent(limits['false_alarms'])} over all columns.{more}"
    )
    parts = [_bins(column) for column in drawn if column["drifted"]]
    return card("What comes in", element("p", said, kind="sub"), _table("Columns", drawn), *parts, long=True)


def _table(what: str, columns: list[Json]) -> Markup:
    rows = []
    for found in columns:
        spread = found.get("distribution")
        before, now = _pair(spread) if spread else (None, None)
        rows.append(
            (
                found["name"],
                element(
                    "span", "drifted" if found["drifted"] else "as before", kind="no" if found["drifted"] else "sub"
                ),
                Markup(pairs(before.shares, now.shares)) if before and now else "",
                number(found["psi"], 3),
                number(found["adjusted"], 3),
                f"{percent(found['missing_before'])} → {percent(found['missing'])}",
                percent(found["unseen"]),
                f"{found['rows']:,}",
            )
        )
    heads = (what.lower().removesuffix("s"), "", "training (left) and now", "PSI", "p", "missing", "unseen", "rows")
    return table("", heads, rows, range(3, 8))


def _bins(found: Json) -> Markup:
    """The shares behind the columns of the drawing."""
    if not found.get("distribution"):
        return Markup("")
    before, now = _pair(found["distribution"])
    rows = [
        (name, percent(was), percent(is_))
        for name, was, is_ in zip(before.names, before.shares, now.shares, strict=True)
        if was or is_
    ]
    return element(
        "details",
        element("summary", f"Shares of {found['name']}"),
        table("", ("value", "training", "now"), rows, (1, 2)),
    )


def _pair(found: Json) -> tuple[Distribution, Distribution]:
    return Distribution.from_json(found["trained"]), Distribution.from_json(found["seen"])


def _left_out(report: Json) -> Markup:
    found = report["not_compared"]
    if not found:
        return Markup("")
    names = {"*": "all columns", "prediction": "predictions", "quality": "quality"}
    rows = [(names.get(name, name), why) for name, why in list(found.items())[:_MOST_COLUMNS]]
    more = f"{len(found) - len(rows):,} more are in report.json." if len(found) > len(rows) else ""
    return card(
        "Not compared", table("", ("what", "why"), rows), element("p", more, kind="sub") if more else None, long=True
    )


def _read(report: Json) -> Markup:
    read = report["read"]
    logged = read["log"]
    sample = "" if logged["files"] == logged["of_files"] else f" of {logged['of_files']:,}, chosen as if by lot"
    broken = sum(
        len(read[part]["unreadable"]) + read[part]["more_unreadable"] for part in ("log", "log_of_labels", "feedback")
    )
    found = facts(
        [
            ("Files of the log", f"{logged['files']:,}{sample}"),
            ("Predictions counted", f"{report['rows']:,}"),
            ("Labels that came", f"{read['labels']:,}"),
            ("of these joined", f"{read['joined']:,}"),
            ("Labels of no known class", f"{read['unknown_labels']:,}" if read["unknown_labels"] else None),
            ("Files that can't be read", f"{broken:,}" if broken else None),
            ("Data set", element("code", report["dataset_version"])),
        ]
    )
    said = (
        "The population stability index (PSI) adds up, over the bins that the training rows set, how far the shares "
        "have moved; below 0.1 is little. p is the chi-square test's, corrected for the number of columns (Benjamini "
        "and Hochberg). Quality has fallen when the intervals of evaluation and feedback lie apart."
    )
    return join([card("What was read", found), element("footer", said)])


def _moment(at: str) -> str:
    return f"{at[:10]} {at[11:16]} UTC"
