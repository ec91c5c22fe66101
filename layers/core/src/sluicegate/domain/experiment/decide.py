"""One look at an experiment: from what the lanes did to a decision. The same numbers always give the same look."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sluicegate.domain.experiment import bandit, group_sequential, guardrails, sequential, srm
from sluicegate.domain.experiment.clumps import Clumps, clumps
from sluicegate.domain.experiment.design import Design
from sluicegate.domain.experiment.estimates import Effect, effect, lift
from sluicegate.domain.experiment.guardrails import Guardrail
from sluicegate.domain.experiment.looks import Comparison, Decision, LaneLook, Look
from sluicegate.domain.experiment.tally import Cohort, Tally, counted, variance
from sluicegate.domain.numbers import TINY

_SAME = 1e-9
_ROOT_2 = math.sqrt(2)


def look(
    design: Design, lanes: Mapping[str, Sequence[Cohort]], now: float, started: float, earlier: Sequence[float] = ()
) -> Look:
    """What is decided at ``now`` about an experiment that began at ``started`` (seconds, epoch).

    ``earlier``: the information of the looks that tested before, in their order; it matters when there is a horizon.
    An ``earlier`` that already ends with this look gives this look again. A lane without cohorts saw nothing.
    """
    tallies = {
        lane: counted(lanes.get(lane, ()), now, design.outcome_window, design.silence) for lane in sorted(design.shares)
    }
    hang = clumps(tallies, design.low, design.high)
    over = now - started >= design.max_duration
    seen = Look(
        at=now,
        elapsed=now - started,
        method="sequential" if design.horizon is None else "group_sequential",
        decision=Decision("continue"),
        reason="",
        lanes=tuple(_lane(design, lane, tally, hang) for lane, tally in tallies.items()),
        guardrails=_guard(design, tallies, hang),
    )
    harm = _harm(seen)
    if design.mode == "bandit":
        return _bandit(design, seen, lanes, harm, over=over)
    assigned = {lane: tally.exposures / hang.exposures for lane, tally in tallies.items()}
    seen = replace(seen, srm_p=srm.p_value(assigned, design.shares))
    seen = _compared(design, seen, tallies, hang, earlier, over=over)
    decision, reason = _mismatch(seen) or harm or _outcome(design, seen, over=over)
    return replace(seen, decision=decision, reason=reason)


def _lane(design: Design, lane: str, tally: Tally, hang: Clumps) -> LaneLook:
    factor = hang.lanes[lane].outcomes
    error = math.sqrt(factor * variance(tally, design.low, design.high) / tally.outcomes) if tally.outcomes else None
    return LaneLook(
        lane,
        design.shares[lane],
        tally.exposures,
        tally.outcomes,
        tally.mean,
        error,
        tally.errors,
        tally.latency.quantile(0.5),
        tally.latency.quantile(0.95),
        design_effect=factor,
    )


def _guard(design: Design, tallies: Mapping[str, Tally], hang: Clumps) -> tuple[Guardrail, ...]:
    champion = tallies[design.champion]
    alpha = guardrails.ALPHA / len(design.challengers)
    found = []
    for lane in design.challengers:
        one, other = hang.of(lane, design.champion)
        if design.errors is not None:
            factors = (one.errors, other.errors)
            found.append(guardrails.errors(lane, tallies[lane], champion, design.errors, alpha, factors))
        if design.latency is not None:
            seen, factors = tallies[lane].latency, (one.latency, other.latency)
            found.append(guardrails.latency(lane, seen, champion.latency, design.latency, alpha, factors))
    return tuple(found)


def _harm(seen: Look) -> tuple[Decision, str] | None:
    for guard in seen.guardrails:
        if guard.harmed and guard.challenger is not None and guard.champion is not None:
            if guard.name == "errors":
                what = f"fails {guard.challenger:.2%} of its requests, the champion {guard.champion:.2%}"
                allowed = f"{guard.tolerance:.2%} more"
            else:
                what = f"takes {guard.challenger:.1f} ms, the champion {guard.champion:.1f} ms"
                allowed = f"{guard.tolerance:.0%} more"
            return Decision("stop_for_harm", guard.lane), f"{guard.lane} {what}; {allowed} would be allowed."
    return None


def _mismatch(seen: Look) -> tuple[Decision, str] | None:
    if seen.srm_p is None or seen.srm_p > srm.ALPHA:
        return None
    total = sum(lane.exposures for lane in seen.lanes)
    shares = ", ".join(f"{lane.lane} {lane.exposures / total:.1%} instead of {lane.share:.1%}" for lane in seen.lanes)
    return Decision("invalid"), (
        f"The lanes don't get the traffic that was planned ({shares}; p = {seen.srm_p:.1g}), so their outcomes can't "
        "be compared: look for what assigns, loses or logs requests of one lane differently."
    )


def _compared(
    design: Design, seen: Look, tallies: Mapping[str, Tally], hang: Clumps, earlier: Sequence[float], *, over: bool
) -> Look:
    champion = tallies[design.champion]
    effects = {
        lane: found
        for lane in design.challengers
        if (found := effect(tallies[lane], champion, design.low, design.high, hang.of(lane, design.champion)))
        is not None
    }
    if design.horizon is None:
        return replace(seen, comparisons=_always_valid(design, effects, champion.mean), tested=bool(effects))
    information = _information(design, tallies)
    seen = replace(seen, information=information)
    past = [fraction for fraction in earlier if fraction < information - _SAME]
    since = information - (past[-1] if past else 0.0)
    ends = over or information >= 1
    enough = min(lane.counts_as for lane in seen.lanes) >= design.minimum_exposure
    if len(effects) < len(design.challengers) or information <= 0 or (since < 1 / design.looks - _SAME and not ends):
        return replace(seen, comparisons=_planned(design, effects, champion.mean, None))
    if not enough and not ends:
        return replace(seen, comparisons=_planned(design, effects, champion.mean, None))
    alpha = design.alpha / len(design.challengers)
    bound = group_sequential.boundaries((*past, information), alpha, final=ends)[-1]
    return replace(seen, comparisons=_planned(design, effects, champion.mean, bound), tested=True)


def _information(design: Design, tallies: Mapping[str, Tally]) -> float:
    """How much of the horizon the lane has that is furthest behind its share."""
    least = min(design.shares.values())
    assert design.horizon is not None
    return min(tallies[lane].outcomes / (design.horizon * share / least) for lane, share in design.shares.items())


def _always_valid(design: Design, effects: Mapping[str, Effect], base: float | None) -> tuple[Comparison, ...]:
    """Holm's step-down thresholds (1979, Scandinavian Journal of Statistics 6(2)); the p-values hold at any look."""
    values = {lane: sequential.p_value(found, design.minimum_effect) for lane, found in effects.items()}
    ordered = sorted(values, key=lambda lane: (values[lane], lane))
    thresholds = {lane: design.alpha / (len(design.challengers) - place) for place, lane in enumerate(ordered)}
    refused = next((place for place, lane in enumerate(ordered) if values[lane] > thresholds[lane]), len(ordered))
    found = []
    for lane, one in effects.items():
        # the intervals hold together: each has its share of alpha
        width = sequential.half_width(one, design.minimum_effect, design.alpha / len(design.challengers))
        shown = _comparison(lane, one, width, base)
        found.append(replace(shown, p=values[lane], threshold=thresholds[lane], significant=lane in ordered[:refused]))
    return tuple(found)


def _planned(
    design: Design, effects: Mapping[str, Effect], base: float | None, bound: float | None
) -> tuple[Comparison, ...]:
    """Each challenger has its share of alpha (Bonferroni); intervals: Jennison & Turnbull 1989, JRSS B 51(3)."""
    found = []
    for lane in design.challengers:
        if lane not in effects:
            continue
        one = effects[lane]
        p = max(math.erfc(abs(one.z) / _ROOT_2), TINY)
        if bound is None:
            found.append(replace(_comparison(lane, one, None, base), p=p))
        else:
            shown = _comparison(lane, one, bound * one.error, base)
            threshold = max(math.erfc(bound / _ROOT_2), TINY)
            found.append(replace(shown, p=p, threshold=threshold, significant=abs(one.z) >= bound, boundary=bound))
    return tuple(found)


def _comparison(lane: str, one: Effect, width: float | None, base: float | None) -> Comparison:
    low, high = (None, None) if width is None else (one.difference - width, one.difference + width)
    return Comparison(
        lane,
        one.difference,
        low,
        high,
        lift(one.difference, base),
        None if low is None else lift(low, base),
        None if high is None else lift(high, base),
        z=one.z,
        p=1.0,
        threshold=0.0,
        significant=False,
    )


def _outcome(design: Design, seen: Look, *, over: bool) -> tuple[Decision, str]:
    slowest = min(seen.lanes, key=lambda lane: (lane.counts_as, lane.lane))
    if slowest.counts_as < design.minimum_exposure:
        worth = f" as {slowest.counts_as:.0f}" if slowest.design_effect > 1 else ""
        said = (
            f"{slowest.lane} has {slowest.outcomes} outcomes that count{worth}, of the {design.minimum_exposure} that "
            "each lane needs first"
        )
        return (
            (Decision("inconclusive"), f"The time is over and {said}.") if over else (Decision("continue"), said + ".")
        )
    better = [one for one in seen.comparisons if one.significant and design.sign * one.difference > 0]
    if better:
        best = max(better, key=lambda one: (design.sign * one.difference, one.lane))
        return Decision("promote", best.lane), f"{best.lane} is better than {design.champion}: {_numbers(best)}."
    closed = [why for one in seen.comparisons if (why := _closed(design, one)) is not None]
    if len(closed) == len(design.challengers):
        return Decision("keep"), f"{design.champion} stays: " + "; ".join(closed) + "."
    shown = "; ".join(f"{one.lane}: {_numbers(one)}" for one in seen.comparisons)
    if over or (seen.information is not None and seen.information >= 1):
        why = "The time is over" if over else f"All {design.horizon} outcomes of each lane are in"
        return Decision("inconclusive"), f"{why} and no difference is shown ({shown})."
    return Decision("continue"), f"Nothing is shown yet ({shown})."


def _closed(design: Design, one: Comparison) -> str | None:
    """Why this challenger needs no more samples, or None."""
    if one.significant:
        return f"{one.lane} is worse ({_numbers(one)})"
    most = one.high if design.direction == "maximise" else None if one.low is None else -one.low
    if most is not None and most < design.minimum_effect:
        return f"{one.lane} is not better by {design.minimum_effect:g} ({_numbers(one)})"
    return None


def _numbers(one: Comparison) -> str:
    interval = "" if one.low is None or one.high is None else f" [{one.low:+.4g}, {one.high:+.4g}]"
    relative = "" if one.lift is None else f", {one.lift:+.1%}"
    bar = f" against {one.threshold:.2g}" if one.threshold else ""
    return f"difference {one.difference:+.4g}{interval}{relative}, p = {one.p:.2g}{bar}"


def _bandit(
    design: Design,
    seen: Look,
    lanes: Mapping[str, Sequence[Cohort]],
    harm: tuple[Decision, str] | None,
    *,
    over: bool,
) -> Look:
    beliefs = bandit.beliefs(design, lanes, seen.at)
    best = bandit.probability_best(design, beliefs)
    seen = replace(
        seen,
        method="bandit",
        lanes=tuple(replace(lane, best=best[lane.lane]) for lane in seen.lanes),
        tested=True,
    )
    if harm is not None:
        decision, reason = harm
        return replace(seen, decision=decision, reason=reason)
    leader = max(sorted(best), key=lambda lane: best[lane])
    said = f"{leader} is the best with a probability of {best[leader]:.1%}"
    enough = min(lane.counts_as for lane in seen.lanes) >= design.minimum_exposure
    if not over:
        return replace(seen, decision=Decision("continue"), reason=f"{said}; traffic follows until the time is over.")
    if not enough or best[leader] < 1 - design.alpha:
        why = f"{said}, {1 - design.alpha:.0%} is asked for" if enough else f"too few outcomes of each lane; {said}"
        return replace(seen, decision=Decision("inconclusive"), reason=f"The time is over: {why}.")
    decision = Decision("keep") if leader == design.champion else Decision("promote", leader)
    return replace(seen, decision=decision, reason=f"The time is over and {said}.")
