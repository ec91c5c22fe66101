"""One self-contained HTML file from a report's JSON: no scripts, no addresses, every name of a user escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluicegate.domain.measures import LOWER_IS_BETTER
from sluicegate.domain.pricing import money
from sluicegate.report import figures
from sluicegate.report.document import document
from sluicegate.report.figures import percent
from sluicegate.report.html import Markup, card, element, facts, join, table
from sluicegate.report.importance import importance
from sluicegate.report.svg import number, span

Json = Mapping[str, Any]
_NAMES = {
    "auc": "AUC",
    "f1": "F1",
    "macro_f1": "macro F1",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "logloss": "log loss",
}
_MOST_TRIALS = 200


def render(report: Json) -> str:
    """The page of ``report`` (the content of ``report.json``)."""
    body = [
        _head(report),
        _tiles(report),
        _metrics(report),
        *_figures(report),
        _importance(report),
        _tuning(report),
        _data(report),
        _uploads(report),
        _cost(report),
        _run(report),
    ]
    return document(f"{report['model']}: run {report['run']}", body)


def shown(metric: str) -> str:
    return _NAMES.get(metric, metric.replace("_", " "))


def _head(report: Json) -> Markup:
    verdict = report["verdict"]
    accepted = verdict["accepted"]
    kind = report["problem"]["kind"]
    target = (report.get("data") or {}).get("target")
    about = f"{kind}, predicts {target}" if target else kind
    checks = [
        element(
            "li",
            element(
                "span", "✓" if check["passed"] else "✗", kind="yes" if check["passed"] else "no", aria_hidden="true"
            ),
            element("span", "" if check["passed"] else "Not met: ", check["detail"]),
        )
        for check in verdict.get("checks", ())
    ]
    return join(
        [
            element(
                "header",
                element("p", "Evaluation report · run ", element("code", report["run"]), kind="over"),
                element("h1", report["model"]),
                element("p", f"{about} · measured on {report['rows']:,} rows that it had not seen", kind="sub"),
            ),
            element(
                "section",
                element("strong", "✓" if accepted else "✗", aria_hidden="true"),
                element(
                    "div",
                    element("p", verdict["reason"]),
                    element("ul", *checks, kind="checks") if not accepted and len(checks) > 1 else None,
                ),
                kind=f"verdict {'accepted' if accepted else 'rejected'}",
                aria_label="Verdict",
            ),
        ]
    )


def _tile(name: str, value: str, below: str) -> Markup:
    return element(
        "div",
        element("p", name, kind="name"),
        element("p", value, kind="big"),
        element("p", below, kind="sub"),
        kind="tile",
    )


def _tiles(report: Json) -> Markup:
    metric, metrics = report["metric"], report["metrics"]
    tiles = []
    if metric in metrics:
        found = metrics[metric]
        tiles.append(_tile(shown(metric), number(found["value"]), f"95 % interval {_interval(found)}"))
    base = report.get("baseline")
    if base:
        gained = base.get("comparison")
        tiles.append(_tile("Without features", number(base["value"]), f"{shown(metric)} of predicting {base['how']}"))
        if gained:
            tiles.append(
                _tile(
                    "Better than that by",
                    _signed(gained["difference"]),
                    f"95 % interval {_interval(gained, signed=True)}",
                )
            )
    if report.get("champion") is not None:
        than = report.get("comparison")
        name = f"Against version {report['champion']}"
        if than:
            tiles.append(
                _tile(
                    name,
                    _signed(than["difference"]),
                    f"95 % interval {_interval(than, signed=True)}; positive is better",
                )
            )
        else:
            tiles.append(_tile(name, "–", "could not be compared on the same rows"))
    return element("div", *tiles, kind="tiles") if tiles else Markup("")


def _metrics(report: Json) -> Markup:
    rows = []
    for name, found in report["metrics"].items():
        ends = (
            (min(0.0, found["low"]), max(1.0, found["high"]))
            if name not in LOWER_IS_BETTER
            else (0.0, 1.3 * found["high"])
        )
        remarks = ["decides"] if name == report["metric"] else []
        remarks += ["lower is better"] if name in LOWER_IS_BETTER else []
        label = shown(name) + (f" ({', '.join(remarks)})" if remarks else "")
        drawing = Markup(span(found["low"], found["high"], found["value"], ends))
        rows.append((label, number(found["value"]), _interval(found), drawing))
    if not rows:
        return Markup("")
    return card(
        "Metrics",
        table(
            "On the holdout, with 95 % intervals from a bootstrap of its rows",
            ("metric", "value", "95 % interval", ""),
            rows,
            (1, 2),
        ),
    )


def _figures(report: Json) -> list[Markup]:
    found = report.get("figures") or {}
    several = report["problem"]["kind"] == "multiclass"
    cards = []
    curves = [
        figures.roc(found["roc"]) if found.get("roc") else None,
        figures.precision_recall(found["precision_recall"]) if found.get("precision_recall") else None,
    ]
    if any(curves):
        note = element("p", "Each class against the rest; the most frequent classes.", kind="sub") if several else None
        cards.append(card("How well it tells apart", note, element("div", *curves, kind="plots")))
    if found.get("calibration"):
        plots = [
            figures.calibration(found["calibration"], several),
            figures.scores(found["scores"]) if "scores" in found else None,
        ]
        cards.append(card("What its probabilities are worth", element("div", *plots, kind="plots")))
    if found.get("confusion"):
        parts = [figures.confusion(found["confusion"]), figures.classes(found["classes"])]
        extra = figures.thresholds(found["thresholds"]) if "thresholds" in found else None
        cards.append(card("Right and wrong", element("div", *parts, kind="two"), extra, long=True))
    if found.get("residuals"):
        size = found["residuals"]["absolute"]
        errors = facts((f"{name[1:]} % of the errors are within", number(value)) for name, value in size.items())
        cards.append(card("How far off it is", errors, figures.residuals(found["residuals"])))
    for name, title, draw in (
        ("clusters", "Clusters", figures.clusters),
        ("components", "Components", figures.components),
        ("anomalies", "Anomalies", figures.anomalies),
    ):
        if found.get(name):
            cards.append(card(title, draw(found[name])))
    return cards


def _importance(report: Json) -> Markup:
    metric = report["metric"]
    drawn = importance(report["importance"], shown(metric), metric not in LOWER_IS_BETTER)
    return card("What it goes by", drawn)


def _tuning(report: Json) -> Markup:
    search = report.get("tuning")
    if not search or not search.get("trials"):
        return Markup("")
    names = search.get("searched") or sorted({name for trial in search["trials"] for name in trial["hyperparameters"]})
    lower = search.get("direction") == "Minimize"
    valued = [trial for trial in search["trials"] if trial.get("value") is not None]
    valued.sort(key=lambda trial: trial["value"], reverse=not lower)
    trials = valued + [trial for trial in search["trials"] if trial.get("value") is None]
    chosen = (search.get("best") or {}).get("job")
    best = next((index for index, trial in enumerate(trials) if trial["job"] == chosen), -1)
    rows = [
        (
            trial["job"],
            trial["status"],
            number(trial.get("value")),
            *(trial["hyperparameters"].get(name, "–") for name in names),
            "–" if trial.get("seconds") is None else f"{trial['seconds']:,.0f} s",
        )
        for trial in trials[:_MOST_TRIALS]
    ]
    cut = f" The first {_MOST_TRIALS} of them are shown." if len(trials) > _MOST_TRIALS else ""
    caption = (
        f"{search.get('strategy', '')} search, {len(trials):,} training jobs, the best "
        f"{search['objective']} first. The marked one was evaluated.{cut}"
    )
    heads = ("training job", "status", search["objective"], *names, "billed")
    return card("Tuning", table(caption, heads, rows, range(2, 4 + len(names)), best), long=True)


def _cost(report: Json) -> Markup:
    cost = report.get("cost") or {}
    estimate, actual = cost.get("estimate"), cost.get("actual")
    if not estimate:
        return Markup("")
    spent = {line["what"]: line for line in (actual or {}).get("lines", ())}
    rows = [
        (
            line["what"],
            f"{line['count']} × {line['instance']}",
            f"{line['jobs']} × {line['seconds']:,} s",
            money(line["usd"]),
            f"{spent[line['what']]['seconds']:,} s" if line["what"] in spent else "–",
            money(spent[line["what"]]["usd"]) if line["what"] in spent else "–",
        )
        for line in estimate["lines"]
    ]
    rows.append(("together", "", "", money(estimate["usd"]), "", money(actual["usd"]) if actual else "–"))
    budget = f" The budget is {money(cost['budget_usd'])} a run." if cost.get("budget_usd") else ""
    caption = f"Estimated from {estimate['basis']}; at most {money(estimate['worst_usd'])}.{budget}"
    heads = ("", "machines", "jobs, estimated", "estimate", "billed", "actual")
    return card("What it cost", table(caption, heads, rows, (2, 3, 4, 5)))


def _data(report: Json) -> Markup:
    data = report.get("data")
    if not data:
        return Markup("")
    counts = data.get("counts") or {}
    first = facts(
        [
            ("Rows", f"{data['rows']:,}" if data.get("rows") is not None else None),
            *((name.capitalize(), f"{value:,}") for name, value in counts.items()),
            ("Without a target (left out)", f"{data['unlabelled']:,}" if data.get("unlabelled") else None),
            ("Set aside on reading", f"{data['rejected']:,}" if data.get("rejected") is not None else None),
        ]
    )
    parts: list[Markup] = [first]
    if data.get("findings"):
        told = (element("li", found["text"]) for found in data["findings"])
        parts += [element("h3", "Findings"), element("ul", *told, kind="notes")]
    if data.get("notes"):
        parts += [element("h3", "Notes")] if data.get("findings") else []
        parts.append(element("ul", *(element("li", note) for note in data["notes"]), kind="notes"))
    by_class = data.get("classes") or {}
    if by_class:
        splits = list(next(iter(by_class.values())))
        rows = [(name, *(f"{row.get(split, 0):,}" for split in splits)) for name, row in by_class.items()]
        parts.append(table("Rows of each class", ("class", *splits), rows, range(1, 1 + len(splits))))
    rows_of_columns = [
        (
            column["name"],
            column["type"],
            column["role"],
            percent(column["missing"] / data["rows"]) if data.get("rows") else f"{column['missing']:,}",
            f"{column['distinct']:,}",
            _shortened(column.get("min")),
            _shortened(column.get("max")),
        )
        for column in data["columns"]
    ]
    more = f" {data['more_columns']:,} more are not listed." if data.get("more_columns") else ""
    parts.append(
        table(
            f"Columns of the data. Distinct values are estimated.{more}",
            ("column", "type", "role", "missing", "distinct", "least", "greatest"),
            rows_of_columns,
            (3, 4, 5, 6),
        )
    )
    return card("The data", *parts, long=True)


def _uploads(report: Json) -> Markup:
    uploads: Sequence[Json] = report.get("uploads") or ()
    refused: Sequence[Json] = report.get("rejected_uploads") or ()
    parts = []
    if uploads:
        rows = [
            (
                upload["key"],
                element("code", upload["upload"]),
                _moment(upload.get("received_at")),
                _count(upload.get("accepted_rows")),
                _count(upload.get("rejected_rows")),
                element("code", upload["report"]) if upload.get("rejected_rows") and upload.get("report") else "",
            )
            for upload in uploads
        ]
        more = report.get("more_uploads")
        caption = "What it was made from, newest first." + (f" {more:,} more are not listed." if more else "")
        columns = ("file", "upload", "received", "rows", "set aside", "why (object in the bucket)")
        parts.append(table(caption, columns, rows, (3, 4)))
    if refused:
        reasons = [
            (
                upload["key"],
                _moment(upload.get("received_at")),
                ": ".join(filter(None, [upload.get("title"), upload.get("detail")])),
            )
            for upload in refused
        ]
        parts.append(table("Files that were rejected whole", ("file", "received", "why"), reasons))
    return card("Where it comes from", *parts, long=True) if parts else Markup("")


def _run(report: Json) -> Markup:
    found = facts(
        [
            ("Run", element("code", report["run"])),
            ("Data set", element("code", report["dataset_version"])),
            ("Algorithm", report.get("algorithm")),
            ("Training job", element("code", report["training_job"]) if report.get("training_job") else None),
            ("Measured", _moment(report.get("created_at"))),
        ]
    )
    settings = report.get("settings")
    source = (
        element("details", element("summary", "model.yaml of this run"), element("pre", settings)) if settings else None
    )
    sampled = (
        "Curves are drawn from at most 200 of their points and scatter plots from at most 1,200 rows; "
        "every number is of all rows, but where it says otherwise."
    )
    return join([card("The run", found, source), element("footer", sampled)])


def _interval(found: Json, signed: bool = False) -> str:
    show = _signed if signed else number
    return f"{show(found['low'])} to {show(found['high'])}"


def _signed(value: float) -> str:
    return ("+" if value > 0 else "−" if value < 0 else "±") + number(abs(value))


def _moment(at: str | None) -> str:
    return f"{at[:10]} {at[11:16]} UTC" if at else "–"


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"


def _shortened(value: object, longest: int = 24) -> str:
    if value is None:
        return "–"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(float(value))
    shown_value = str(value)
    return shown_value if len(shown_value) <= longest else shown_value[: longest - 1] + "…"
