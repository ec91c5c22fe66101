"""Where a tuning job looks: scaling, seeds, what a warm start knows, Hyperband's giving up, the median rule."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from local_region.sagemaker.tuning_run import Trial, TuningRun
from local_region.sagemaker.tuning_search import Earlier, Range, Search


def asked(search: Search) -> dict[str, str]:
    found = search.ask()
    assert found is not None
    return found[1]


def draws(kind: Any, low: float, high: float, scaling: str) -> list[float]:
    search = Search("Random", [Range("x", kind, low, high, scaling)], True, 300, seed=1)
    return [float(asked(search)["x"]) for _ in range(300)]


def test_logarithmic_scaling_gives_each_power_its_share() -> None:
    found = draws("continuous", 0.0001, 1.0, "Logarithmic")
    assert all(0.0001 <= value <= 1 for value in found)
    assert 0.4 < sum(value < 0.01 for value in found) / len(found) < 0.6
    assert found == draws("continuous", 0.0001, 1.0, "Auto")
    assert sum(value < 0.01 for value in draws("continuous", 0.0001, 1.0, "Linear")) < 20


def test_reverse_logarithmic_scaling_looks_closely_below_one() -> None:
    found = draws("continuous", 0.0, 0.9999, "ReverseLogarithmic")
    assert all(0 <= value <= 0.9999 for value in found)
    assert 0.4 < sum(value > 0.99 for value in found) / len(found) < 0.6


def test_integers_are_whole_and_reach_both_ends() -> None:
    found = draws("integer", 1, 4, "Linear")
    assert set(found) == {1.0, 2.0, 3.0, 4.0}


@pytest.mark.parametrize("strategy", ["Bayesian", "Random", "Hyperband"])
def test_a_seed_repeats_the_search(strategy: str) -> None:
    def run() -> list[dict[str, str]]:
        ranges = [Range("x", "continuous", 0, 1), Range("c", "categorical", values=("a", "b"))]
        resources = (1, 9) if strategy == "Hyperband" else None
        search = Search(strategy, ranges, True, 12, seed=3, resources=resources)
        found = []
        for _ in range(12):
            answer = search.ask()
            assert answer is not None
            found.append(answer[1])
            search.tell(answer[0], float(answer[1]["x"]))
        return found

    assert run() == run()


def test_bayesian_search_goes_where_it_is_better() -> None:
    search = Search("Bayesian", [Range("x", "continuous", -10, 10, "Linear")], False, 40, seed=5)
    found = []
    for _ in range(40):
        answer = search.ask()
        assert answer is not None
        found.append(float(answer[1]["x"]))
        search.tell(answer[0], (found[-1] - 3) ** 2)
    late, early = found[-10:], found[:10]
    assert sum(abs(x - 3) for x in late) < sum(abs(x - 3) for x in early) / 2


def test_a_warm_start_begins_where_its_parents_were_good() -> None:
    earlier = [Earlier({"x": repr(x)}, -((x - 3) ** 2)) for x in (-9.0, -5.0, 0.0, 2.5, 2.9, 3.1, 3.4, 6.0, 9.0, 12.0)]
    ranges = [Range("x", "continuous", -10, 10, "Linear")]
    warm = [abs(float(asked(Search("Bayesian", ranges, True, 8, seed=n, earlier=earlier))["x"]) - 3) for n in range(20)]
    cold = [abs(float(asked(Search("Bayesian", ranges, True, 8, seed=n))["x"]) - 3) for n in range(20)]
    assert sum(warm) < sum(cold)


@pytest.mark.parametrize("value", ["11", "nan", "1.5", "many"])
def test_what_lies_outside_a_range_is_forgotten(value: str) -> None:
    assert Range("x", "integer", 0, 10).known(value) is None


def test_a_grid_ends() -> None:
    ranges = [Range("a", "categorical", values=("1", "2")), Range("b", "categorical", values=("x", "y"))]
    search = Search("Grid", ranges, True, 4)
    assert [tuple(asked(search).values()) for _ in range(4)] == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]
    assert search.ask() is None


def test_hyperband_gives_up_what_falls_behind() -> None:
    """Ten times as many trials of a bad setting as of a good one: only bad ones are given up, and most of them."""
    search = Search("Hyperband", [Range("x", "continuous", 0, 1)], True, 33, seed=1, resources=(1, 27))
    given_up = {True: 0, False: 0}
    for number in range(33):
        answer = search.ask()
        assert answer is not None
        good = number % 11 == 0
        ended = next((epoch for epoch in range(1, 28) if search.report(answer[0], epoch, 1.0 if good else 0.1)), None)
        given_up[good] += ended is not None
        search.tell(answer[0], 1.0 if good else 0.1, ended is not None)
    assert given_up[True] == 0
    assert given_up[False] >= 10


def test_a_value_that_is_no_number_is_a_failure() -> None:
    search = Search("Bayesian", [Range("x", "continuous", 0, 1)], True, 3, seed=1)
    answer = search.ask()
    assert answer is not None
    assert not search.report(answer[0], 1, math.nan)
    search.tell(answer[0], math.nan)
    assert search.ask() is not None


@pytest.mark.parametrize(("epochs", "given_up"), [([0.7], False), ([0.7, 0.2], True), ([0.7, 0.55], False)])
def test_the_median_rule(epochs: list[float], given_up: bool) -> None:
    """After two epochs the running averages are 0.3, 0.5 and 0.8: the median is 0.5."""

    def trial(values: list[float], over: bool) -> Any:
        record: Any = SimpleNamespace(state={"TrainingJobStatus": "Completed" if over else "InProgress"})
        return Trial(0, {}, record, SimpleNamespace(), values, over=over)  # type: ignore[arg-type]

    run: Any = TuningRun.__new__(TuningRun)
    run._resources, run._median_rule, run._maximize = None, True, True
    run.trials = {str(n): trial(v, True) for n, v in enumerate([[0.2, 0.4], [0.4, 0.6], [0.8, 0.8], [0.6]])}
    assert run._give_up(trial(epochs, False)) is given_up
