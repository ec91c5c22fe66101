"""The plots of a report, from the numbers of ``domain/evaluation.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluicegate.report.html import Markup, element, figure, table, text
from sluicegate.report.svg import Plot, meter, number

Json = Mapping[str, Any]
UNIT = (0.0, 1.0)


def percent(share: float | None) -> str:
    """
    >>> percent(0.1234), percent(0.0004), percent(0), percent(None)
    ('12.3 %', '0.04 %', '0 %', '–')
    """
    if share is None:
        return "–"
    return f"{100 * share:.1f} %" if share >= 0.001 else f"{100 * share:.2g} %"


def roc(curves: Sequence[Json]) -> Markup:
    areas = ", ".join(f"{curve['name']} {number(curve['auc'])}" for curve in curves)
    plot = Plot(
        "roc",
        "ROC curve",
        f"Area under the curve: {areas}. Guessing has 0.5.",
        UNIT,
        UNIT,
        "False positives (share)",
        "Found (share)",
    )
    plot.guide((0, 0), (1, 1))
    for series, curve in reversed(list(enumerate(curves))):
        plot.line(curve["fpr"], curve["tpr"], series, f"{curve['name']}: {number(curve['auc'])}")
    return figure(
        plot.svg(),
        "How many of the positives are found for how many false alarms, over all thresholds; dashed: guessing.",
        "ROC curve (area)",
    )


def precision_recall(curves: Sequence[Json]) -> Markup:
    shown = ", ".join(f"{curve['name']} {number(curve['average_precision'])}" for curve in curves)
    plot = Plot(
        "pr", "Precision-recall curve", f"Average precision: {shown}.", UNIT, UNIT, "Recall: found (share)", "Precision"
    )
    if curves[0]["name"] == "this version":
        plot.guide((0, curves[0]["positives"]), (1, curves[0]["positives"]))
    for series, curve in reversed(list(enumerate(curves))):
        xs, ys = [0.0, *curve["recall"]], [curve["precision"][0], *curve["precision"]]
        plot.line(xs, ys, series, f"{curve['name']}: {number(curve['average_precision'])}")
    return figure(
        plot.svg(),
        "How many of those called positive are, for how many of the positives are found. The dashed line is guessing."
        if curves[0]["name"] == "this version"
        else "For each class against the rest: how many of those called it are, for how many of it are found.",
        "Precision and recall (average precision)",
    )


def calibration(found: Json, several: bool) -> Markup:
    plot = Plot(
        "cal",
        "Calibration",
        f"Brier score {number(found['brier'])}, mean distance of said and true {number(found['ece'])}.",
        UNIT,
        UNIT,
        "Probability that was said",
        "Share that came true",
    )
    plot.guide((0, 0), (1, 1))
    plot.intervals(found["said"], found["low"], found["high"])
    plot.line(found["said"], found["true"])
    plot.points(found["said"], found["true"], radius=3.5)
    rows = zip(found["said"], found["true"], found["low"], found["high"], found["rows"], strict=True)
    numbers = table(
        "",
        ("said", "true", "95 % interval", "rows"),
        [
            (number(said), number(true), f"{number(low, 3)} to {number(high, 3)}", count)
            for said, true, low, high, count in rows
        ],
        (1, 2, 3),
    )
    what = "the class it named was the true one" if several else "of those said to be positive with it are"
    caption = (
        f"On the dashed line a probability means what it says: {what} as often. "
        f"Brier score {number(found['brier'])}, calibration error (ECE) {number(found['ece'])}."
    )
    details = element("details", element("summary", "Numbers"), numbers)
    return element("div", figure(plot.svg(), caption, "Calibration"), details)


def scores(found: Json) -> Markup:
    counts: Mapping[str, Sequence[int]] = found["counts"]
    highest = max((max(column) for column in counts.values()), default=1) or 1
    plot = Plot(
        "hist",
        "Distribution of the probabilities",
        "Rows of each class by the probability they got.",
        UNIT,
        (0, highest * 1.05),
        "Probability of the positive class",
        "Rows",
    )
    for series, (name, column) in enumerate(counts.items()):
        plot.columns(found["edges"], column, series, name)
    return figure(
        plot.svg(), "Rows of each class by the probability they got: the less they overlap, the better.", "What it said"
    )


def confusion(found: Json) -> Markup:
    """Rows are what was, columns what was said; the colour is the share of the row."""
    classes, counts = found["classes"], found["counts"]
    head = element("tr", element("td"), *(element("th", name, scope="col") for name in classes))
    body = []
    for name, row in zip(classes, counts, strict=True):
        whole = sum(row) or 1
        cells = [
            element(
                "td", f"{count:,}", element("small", percent(count / whole)), kind=f"h{min(9, int(10 * count / whole))}"
            )
            for count in row
        ]
        body.append(element("tr", element("th", name, scope="row"), *cells))
    more = f" The most frequent of {found['all']:,} classes are shown." if "all" in found else ""
    caption = element("caption", f"Rows: what it was. Columns: what was said. Shares are of the row.{more}")
    return element(
        "div", element("table", caption, element("thead", head), element("tbody", *body), kind="matrix"), kind="scroll"
    )


def thresholds(rows: Sequence[Json]) -> Markup:
    best = next((index for index, row in enumerate(rows) if row.get("best")), -1)
    return table(
        "What another threshold would give (the marked one has the best F1). The API's answer is the class above 0.5.",
        ("above", "precision", "recall", "F1", "hits", "false alarms", "missed", "right to pass"),
        [
            (
                number(row["threshold"]),
                percent(row["precision"]),
                percent(row["recall"]),
                number(row["f1"], 3),
                *(
                    f"{row[part]:,}"
                    for part in ("true_positives", "false_positives", "false_negatives", "true_negatives")
                ),
            )
            for row in rows
        ],
        range(1, 8),
        best,
    )


def classes(rows: Sequence[Json]) -> Markup:
    return table(
        "Each class",
        ("class", "rows", "said", "precision", "recall", "F1"),
        [
            (
                row["class"],
                f"{row['rows']:,}",
                f"{row['predicted']:,}",
                percent(row["precision"]),
                percent(row["recall"]),
                number(row["f1"], 3),
            )
            for row in rows
        ],
        range(1, 6),
    )


def residuals(found: Json) -> Markup:
    rows, counted, quantiles = found["rows"], found["histogram"], found["quantiles"]
    predicted, actual = rows["predicted"], rows["actual"]
    errors = [true - said for true, said in zip(actual, predicted, strict=True)]
    both = (min(min(predicted), min(actual)), max(max(predicted), max(actual)))
    ends = _widened(both)
    first = Plot(
        "act", "Predicted and actual", "Each point is a row of the holdout.", ends, ends, "Predicted", "Actual"
    )
    first.guide((ends[0], ends[0]), (ends[1], ends[1]))
    first.points(predicted, actual)
    largest = max(map(abs, errors), default=1.0) or 1.0
    second = Plot(
        "res",
        "Residuals",
        "Actual minus predicted, by prediction.",
        _widened((min(predicted), max(predicted))),
        (-largest, largest),
        "Predicted",
        "Actual minus predicted",
    )
    second.guide((second.x[0], 0), (second.x[1], 0))
    second.points(predicted, errors)
    edges = counted["edges"]
    third = Plot(
        "dist",
        "Distribution of the residuals",
        f"Mean {number(found['mean'])}, standard deviation {number(found['deviation'])}.",
        (edges[0], edges[-1]),
        (0, max(counted["counts"]) * 1.05),
        "Actual minus predicted",
        "Rows",
    )
    third.columns(edges, counted["counts"])
    normal, quantile = quantiles["normal"], quantiles["residual"]
    reach = max(3.0, *map(abs, quantile))
    fourth = Plot(
        "qq",
        "Quantiles of the residuals",
        "Against those of the normal distribution.",
        (-2.5, 2.5),
        (-reach, reach),
        "Normal quantile",
        "Residual (standardized)",
    )
    fourth.guide((-2.5, -2.5), (2.5, 2.5))
    fourth.points(normal, quantile, radius=2.5)
    shown = len(predicted)
    drawn = (
        f"{shown:,} of {rows['of']:,} rows are drawn, evenly spread." if shown < rows["of"] else f"All {shown:,} rows."
    )
    beyond = counted["below"] + counted["above"]
    tail = f" {beyond:,} rows lie beyond its ends." if beyond else ""
    return element(
        "div",
        figure(first.svg(), f"On the dashed line it was right. {drawn}", "Predicted and actual"),
        figure(second.svg(), "A pattern around the line is something that the model has not learned.", "Residuals"),
        figure(
            third.svg(),
            f"Mean {number(found['mean'])}, deviation {number(found['deviation'])}.{tail}",
            "How large they are",
        ),
        figure(
            fourth.svg(),
            "On the line they are spread as the normal distribution; steeper ends are rare large errors.",
            "Normal?",
        ),
        kind="plots",
    )


def clusters(found: Json) -> Markup:
    sizes = found["sizes"]
    whole = sum(row["rows"] for row in sizes) or 1
    rows = [
        (row["cluster"], Markup(meter(row["rows"] / whole)), f"{row['rows']:,}", percent(row["rows"] / whole))
        for row in sizes
    ]
    apart = found.get("silhouette")
    said = f" Silhouette {number(apart)} (1: well apart, 0: overlapping, below: mixed up)." if apart is not None else ""
    return table(f"Rows of the holdout in each cluster.{said}", ("cluster", "", "rows", "share"), rows, (2, 3))


def components(found: Json) -> Markup:
    shares, whole = found["explained"], found["cumulative"]
    count = len(shares)
    plot = Plot(
        "pca",
        "Explained variance",
        f"{count} components explain {percent(whole[-1] if whole else 0)}.",
        (0.5, count + 0.5),
        UNIT,
        "Component",
        "Share of the variance",
        x_ticks=[float(place) for place in range(1, count + 1, max(1, count // 10))],
    )
    plot.columns([place + 0.5 for place in range(count + 1)], shares, 0, "each")
    plot.line([place + 1.0 for place in range(count)], whole, 1, "together")
    return figure(
        plot.svg(),
        f"{count} components explain {percent(whole[-1] if whole else 0)} of the variance.",
        "Explained variance",
    )


def anomalies(found: Json) -> Markup:
    counted = found["histogram"]
    edges = counted["edges"]
    highest = max(counted["counts"]) * 1.05
    plot = Plot(
        "anom",
        "Anomaly scores",
        "Rows of the holdout by score.",
        (edges[0], edges[-1]),
        (0, highest),
        "Anomaly score",
        "Rows",
    )
    plot.columns(edges, counted["counts"])
    said = "Higher scores are rarer."
    if found.get("threshold") is not None:
        plot.guide((found["threshold"], 0), (found["threshold"], highest))
        said = f"{found['above']:,} of {found['rows']:,} rows lie above {number(found['threshold'])}, the dashed line."
    return figure(plot.svg(), text(said), "Anomaly scores")


def _widened(ends: tuple[float, float]) -> tuple[float, float]:
    gap = (ends[1] - ends[0]) * 0.03 or 0.5
    return ends[0] - gap, ends[1] + gap
