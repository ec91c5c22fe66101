"""What the API's ``tuning`` and ``cost`` of a run say, as lines and table rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("", "job", "status", "objective", "seconds", "hyperparameters")
_OVER = ("Completed", "Failed", "Stopped")


def progress(search: Mapping[str, Any]) -> str:
    """``tuning: 4 of 12 jobs, best validation:auc 0.9134``"""
    trials = search.get("trials") or []
    text = f"tuning: {sum(trial['status'] in _OVER for trial in trials)} of {search['max_jobs']} jobs"
    best = search.get("best")
    if best and best.get("value") is not None:
        text += f", best {search['objective']} {best['value']:.4g}"
    return text


def rows(search: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The trials from best to worst, then those without an objective; the best is marked."""
    sign = -1.0 if search.get("direction") == "Maximize" else 1.0
    best = (search.get("best") or {}).get("job")

    def order(trial: Mapping[str, Any]) -> tuple[bool, float]:
        return trial.get("value") is None, sign * (trial.get("value") or 0.0)

    return [
        (
            "*" if trial["job"] == best else "",
            str(trial["job"]).removeprefix(f"{search['job']}-"),
            trial["status"] + (f": {trial['reason']}" if trial.get("reason") else ""),
            trial.get("value"),
            trial.get("seconds"),
            hyperparameters_text(trial.get("hyperparameters") or {}),
        )
        for trial in sorted(search.get("trials") or [], key=order)
    ]


def hyperparameters_text(values: Mapping[str, Any]) -> str:
    """``eta 0.1047, max_depth 6``: as many digits as tell trials apart."""
    return ", ".join(f"{name} {_short(value)}" for name, value in sorted(values.items()))


def _short(value: Any) -> str:
    try:
        return f"{float(value):.4g}"
    except (TypeError, ValueError):
        return str(value)


def headline(search: Mapping[str, Any]) -> str:
    text = f"{search['job']}: {search['strategy']} search for {search['objective']}, {search['status']}; "
    text += progress(search).removeprefix("tuning: ")
    if search.get("warm_start"):
        text += f"; began with what {search['warm_start']} found"
    return text + (f"; {search['stopped']}" if search.get("stopped") else "")


def money(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def estimate_text(cost: Mapping[str, Any] | None) -> str:
    """``estimated at $0.0149, at most $1.38 (AWS's price list)``, or nothing when there is no price."""
    estimate = (cost or {}).get("estimate")
    if not estimate:
        return ""
    sources = sorted({_source(line["price"]) for line in estimate["lines"]})
    # how much there is to learn, and what that costs, is known when the data are prepared
    what = "the preparation is " if {line["what"] for line in estimate["lines"]} == {"preparation"} else ""
    sums = f"{money(estimate['usd'])}, at most {money(estimate['worst_usd'])}"
    return f"{what}estimated at {sums} ({', '.join(sources)})"


def _source(price: Mapping[str, Any]) -> str:
    if price["source"] == "list":
        return "AWS's price list"
    return f"prices of {price['region']}, {price['seen']}"


def cost_text(cost: Mapping[str, Any] | None) -> str:
    """``$0.0051 of $0.0149`` estimated, for a table."""
    actual, estimate = (cost or {}).get("actual"), (cost or {}).get("estimate")
    if not estimate:
        return ""
    return f"{spent(actual)} of {money(estimate['usd'])}" if actual else f"about {money(estimate['usd'])}"


def spent(actual: Mapping[str, Any]) -> str:
    """What was billed. Sums are kept to four digits: seconds that cost less are not nothing."""
    small = actual["usd"] == 0 and any(line["seconds"] for line in actual["lines"])
    return "under $0.0001" if small else money(actual["usd"])


def newest(runs: Sequence[Mapping[str, Any]], run: str | None) -> Mapping[str, Any] | None:
    """The run asked for, or the newest that tuned."""
    if run is not None:
        return next((each for each in runs if each["run"] == run), None)
    return next((each for each in runs if each.get("tuning")), None)
