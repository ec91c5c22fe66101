"""The checked-in table of hyperparameters says where it is from, and its defaults are values that it accepts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from sluicegate.domain.algorithms import hyperparameter_table as table
from sluicegate.domain.algorithms.rules import ListOf, Number, OneOf, on_the_wire

SCRIPT = Path(__file__).parents[3] / "scripts" / "generate_hyperparameters.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_hyperparameters", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_source_is_named(generator: ModuleType) -> None:
    assert generator.COMMIT in (table.__doc__ or "")
    assert all(f"{name}: doc_source/{page}.md" in (table.__doc__ or "") for name, page in generator.PAGES.items())
    assert set(generator.PAGES) == set(table.RULES) == set(table.DEFAULTS)
    assert all(hyperparameter in table.RULES[name] for name, hyperparameter in generator.CORRECTIONS)


@pytest.mark.parametrize("name", table.RULES)
def test_defaults_are_accepted(name: str) -> None:
    for hyperparameter, default in table.DEFAULTS[name].items():
        rule = table.RULES[name][hyperparameter]
        assert rule.problem(default) is None or default in ("auto", "-1"), (hyperparameter, default)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Positive integer (min: 50, max: 1000)", "Number(50, 1_000, whole=True)"),
        ("Integers from 3 to 1,000,000", "Number(3, 1_000_000, whole=True)"),
        ("`auto` or positive floating-point integer", 'Number(0, low_open=True, words=("auto",))'),
        ("Either a positive integer or *auto*.", 'Number(1, whole=True, words=("auto",))'),
        ("Non-negative float. Suggested value range: [1e-8, 512].", "Number(0)"),
        ("Float. Range in [0, 1].", "Number(0, 1)"),
        ("*uniform*, *normal*, or *constant*", 'OneOf(("uniform", "normal", "constant"))'),
    ],
)
def test_the_guides_words_become_rules(generator: ModuleType, said: str, expected: str) -> None:
    assert generator.rule(said) == expected


def test_words_that_are_not_known_end_the_program(generator: ModuleType) -> None:
    with pytest.raises(SystemExit, match="no rule for"):
        generator.rule("as you like")


def test_rules_say_what_they_accept() -> None:
    metrics = ListOf(("msd", "ssd"), json=True)
    assert (
        metrics.problem("msd, ssd") is None and metrics.problem('["msd"]') is None and metrics.problem(["ssd"]) is None
    )
    assert metrics.problem("auc") == "a comma-separated list of msd, ssd" and metrics.problem("[") is not None
    assert on_the_wire(metrics, "msd,ssd") == '["msd", "ssd"]' and on_the_wire(OneOf(("true",)), True) == "true"
    rule = Number(0, 1, low_open=True, words=("auto",))
    assert rule.problem("auto") is None and rule.problem(0) == "a number above 0 and at most 1, or auto"
    assert rule.problem(float("nan")) is not None and rule.problem(True) is not None
