"""`sluice simulate experiment`: worlds, lives and what is told of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sluice import simulating
from sluice.main import cli
from sluice.simulating import simulate
from sluice.worlds import BadWorld, read_world

ROOT = Path(__file__).resolve().parents[3]
SHORT = "look_every: 6h, max_duration: 2d, outcome_window: 6h"


def world(lanes: str, experiment: str, more: str = "") -> str:
    return f"lanes: {lanes}\ntraffic: 300\n{more}\nexperiment: {{{experiment}}}\n"


def run(*words: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["simulate", "experiment", "--processes", "1", *words], input=text)


def test_the_same_seed_is_the_same_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    given = read_world(world("{a: {rate: 0.1}, b: {rate: 0.16}}", f"traffic: 0.5, {SHORT}"))
    lives = simulate(given, 12, seed=3, processes=1)
    assert lives == simulate(given, 12, seed=3, processes=1) != simulate(given, 12, seed=4, processes=1)
    assert sum(life.decision == "promote" and life.lane == "b" for life in lives) >= 10
    assert all(0 < life.samples <= 300 * 48 * 1.1 and life.seconds <= 2 * 86400 and life.regret > 0 for life in lives)
    # lives are drawn in parts, each with a seed of its own: more of them change none of the first
    monkeypatch.setattr(simulating, "_TOGETHER", 4)
    assert simulate(given, 6, seed=3, processes=1)[:4] == simulate(given, 4, seed=3, processes=1)


def test_harm_and_a_mean_and_late_outcomes() -> None:
    lanes = "{a: {mean: 3.0, deviation: 2.0, latency: 20}, b: {mean: 4.0, deviation: 2.0, latency: 60}}"
    goal = f"goal: mean, reward: {{min: 0.0, max: 10.0}}, traffic: 0.5, {SHORT}"
    harmed = simulate(read_world(world(lanes, goal, "delay: 3h")), 4, processes=1)
    assert {(life.decision, life.lane) for life in harmed} == {("stop_for_harm", "b")}
    better = simulate(read_world(world(lanes.replace("60", "20"), goal, "delay: 3h")), 4, processes=1)
    assert {(life.decision, life.lane) for life in better} == {("promote", "b")}


def test_subjects_that_ask_often_and_alike_need_more_requests() -> None:
    lanes, goal = "{a: {rate: 0.2}, b: {rate: 0.28}}", f"traffic: 0.5, {SHORT}"
    once = simulate(read_world(world(lanes, goal)), 8, processes=1)
    often = "requests_per_subject: 20\nsubject_effect: 0.5\ndelay: 1h"
    lives = simulate(read_world(world(lanes, goal, often)), 8, seed=1, processes=1)
    assert all(life.decision == "promote" for life in once)
    # each outcome says a tenth of what it says where subjects ask once; that shares differ by chance ends nothing
    assert sum(life.decision in ("continue", "inconclusive") for life in lives) >= 6
    assert all(life.decision != "invalid" for life in lives)
    assert sum(life.samples for life in lives) > 3 * sum(life.samples for life in once)
    # on average as many requests come
    assert all(life.samples == pytest.approx(300 * 48, rel=0.3) for life in lives if life.seconds == 2 * 86400)


def test_outcomes_that_come_after_the_window_are_lost() -> None:
    """Half of an hour's conversions come within its mean delay's ln 2; all lanes lose alike."""
    text = world("{a: {rate: 0.5}, b: {rate: 0.5}}", f"traffic: 0.5, {SHORT}, minimum_effect: 0.5", "delay: 100h")
    (life,) = simulate(read_world(text), 1, processes=1)
    assert life.decision == "keep"  # b is not better by .5
    assert "difference" in life.reason


def test_a_bandit_follows_a_change() -> None:
    text = world(
        "{a: {rate: 0.1}, b: {rate: 0.3}}",
        "mode: bandit, look_every: 2h, max_duration: 2d, outcome_window: 0s",
        "arrivals: even\nchanges: [{at: 1d, lane: b, rate: 0.02}]",
    )
    lives = simulate(read_world(text), 4, processes=1)
    # without noticing it would lose .08 of 300 an hour for a day: 576 more
    assert all(life.regret < 350 for life in lives)
    assert {life.lane for life in lives} != {"b"}


def test_a_table_and_json() -> None:
    text = world("{v1: {rate: 0.1}, v2: {rate: 0.2}}", f"traffic: 0.5, {SHORT}")
    shown = run("--world", "-", "--times", "5", text=text)
    assert shown.exit_code == 0, shown.output
    assert "promote v2\t100.0%" in shown.output and "v1: rate 0.1 (champion)" in shown.output
    found: dict[str, Any] = json.loads(run("--world", "-", "--times", "5", "--json", text=text).output)
    assert found["times"] == 5 and found["ends"][0]["decision"] == "promote"
    assert found["ends"][0]["share"] == 1 and len(found["all"]["samples"]) == 3


def test_help_teaches_and_the_sample_is_right() -> None:
    told = CliRunner().invoke(cli, ["simulate", "experiment", "--help"]).output
    assert "lanes:" in told and "regret" in told
    sample = read_world((ROOT / "examples" / "world.yaml").read_text())
    assert sample.first == "v1" and sample.at(5 * 86400)["v3"].rate == 0.07 and sample.at(0)["v3"].rate == 0.12


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "a world is keys with values"),
        ("lanes: {a: {rate: 0.1}, b: {rate: 0.1}}", "traffic: is needed"),
        ("lanes: {a: {rate: 0.1}}\ntraffic: 5", "lanes: given"),
        ("lanes: {a: {rate: 0.1}, b: {rate: 1.1}}\ntraffic: 5", "lanes.b.rate: given 1.1"),
        ("lanes: {a: {rate: 0.1}, b: {mean: 1}}\ntraffic: 5", "lanes.b: accepted with goal conversion is rate"),
        ("lanes: {a: {rate: 0.1}, b: {rate: 0.1}}\ntraffic: 5\nspeed: 2", "speed: unknown key"),
        ("lanes: {a: {rate: 0.1}, b: {rate: 0.1}}\ntraffic: 5\nchampion: c", "champion: given 'c'"),
        (
            "lanes: {a: {rate: 0.1}, b: {rate: 0.1}}\ntraffic: 5\nchanges: [{at: 1d, lane: c, rate: 0.1}]",
            "changes[0].lane: given 'c'; accepted is one of a, b",
        ),
        (world("{a: {rate: 0.1}, b: {rate: 0.1}}", "look_every: 60s, max_duration: 90d"), "129600 looks"),
        (
            world("{a: {rate: 0.1}, b: {rate: 0.1}}", "", "subject_effect: 0.1"),
            "accepted with requests_per_subject above",
        ),
        (world("{a: {rate: 0.1}, b: {rate: 0.1}}", "mode: bandit, traffic: 0.5"), "experiment.traffic: has no effect"),
        (
            world("{a: {mean: 1, deviation: 2}, b: {mean: 1}}", "goal: mean"),
            "lanes.a: mean ± deviation is -1 to 3; accepted is what lies within experiment.reward, 0 to 1",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(BadWorld) as caught:
        read_world(text)
    assert said in str(caught.value)
    refused = run("--world", "-", text=text)
    assert refused.exit_code != 0 and "The world has a mistake" in refused.output + str(refused.exception)


def test_a_file_that_is_not_there() -> None:
    refused = run("--world", "/no/such/world.yaml")
    assert refused.exit_code != 0
