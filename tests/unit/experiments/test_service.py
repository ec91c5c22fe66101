"""An experiment from its start to each of its ends, over the fakes."""

from __future__ import annotations

import pytest

from sluicegate.domain.errors import SettingsError
from sluicegate.domain.experiment import Bucket, Design, Latency, Tally
from sluicegate.ports import Fact, Place
from sluicegate.services import experiment_looks
from sluicegate.services.experiment_terms import CannotStart
from sluicegate.services.steer import By
from sluicegate.services.tallies import hour_of
from tests.support.contest import MODEL, Contest, contest

BETTER = {"champion": (1600, 160), "challenger": (400, 120)}
WORSE = {"champion": (1600, 480), "challenger": (400, 20)}
EVEN = {"champion": (1600, 240), "challenger": (400, 60)}


def running(**given: object) -> Contest:
    flow = contest()
    flow.begin(2, **given)  # type: ignore[arg-type]
    flow.play()
    return flow


def test_traffic_is_shared_when_the_lane_is_up_and_not_before() -> None:
    flow = contest()
    assert flow.begin(2)["status"] == "starting"
    assert flow.shares() == {3: 1.0}
    flow.play()
    found = flow.experiment()
    assert found["status"] == "running"
    assert flow.shares() == {3: 0.8, 2: 0.2}
    assert flow.lanes_up() == {"sluicegate-churn-V2"}
    routing = flow.storage.json("routing/churn.json")
    assert (routing["cause"], routing["salt"]) == (found["experiment"], found["experiment"])


def test_a_better_challenger_takes_over_by_itself() -> None:
    flow = running()
    flow.serve(BETTER)
    flow.wait(minutes=35)
    found = flow.experiment()
    assert (found["status"], found["decision"]["kind"]) == ("promoted", "promote")
    assert flow.item()["live_version"] == 2
    assert flow.shares() == {2: 1.0}
    assert flow.lanes_up() == set()
    assert "experiment" not in flow.item()
    assert [line["status"] for line in found["history"]] == ["starting", "running", "deciding", "promoted"]
    look = found["look"]
    assert look["comparisons"][0]["low"] > 0
    assert "challenger is better" in found["decision"]["reason"]


def test_a_worse_challenger_goes_and_nothing_else_changes() -> None:
    flow = running()
    flow.serve(WORSE)
    flow.wait(minutes=35)
    assert flow.experiment()["status"] == "kept"
    assert flow.item()["live_version"] == 3
    assert (flow.shares(), flow.lanes_up()) == ({3: 1.0}, set())


def test_harm_ends_the_traffic_at_once_and_the_lane_later() -> None:
    flow = running(decision="manual")
    flow.serve({"champion": (1600, 240)})
    flow.serve({"challenger": (400, 60)}, failures=100)
    flow.world.now = flow.world.now.replace(minute=50)
    flow.tick()
    assert flow.experiment()["status"] == "deciding"
    assert flow.shares() == {3: 1.0}
    assert flow.lanes_up() == {"sluicegate-churn-V2"}
    flow.wait(minutes=5)
    found = flow.experiment()
    assert (found["status"], flow.lanes_up()) == ("stopped", set())
    assert "fails 25.00%" in found["decision"]["reason"]


def test_unequal_traffic_makes_the_numbers_worthless() -> None:
    flow = running()
    flow.serve({"champion": (1000, 100), "challenger": (1000, 300)})
    flow.wait(minutes=35)
    found = flow.experiment()
    assert (found["status"], found["decision"]["kind"]) == ("failed", "invalid")
    assert "50.0% instead of 20.0%" in found["error"]["detail"]


def test_it_ends_when_its_time_is_over() -> None:
    flow = running(max_duration="6h", outcome_window="1h")
    flow.serve(EVEN)
    flow.wait(hours=6, minutes=10)
    assert flow.experiment()["status"] == "inconclusive"
    assert flow.item()["live_version"] == 3


def test_a_person_has_the_word_where_model_yaml_says_so() -> None:
    flow = running(decision="manual")
    flow.serve(BETTER)
    flow.wait(minutes=65)
    found = flow.experiment()
    assert found["status"] == "waits_for_decision"
    assert (found["proposal"]["kind"], found["proposal"]["version"]) == ("promote", 2)
    assert flow.shares() == {3: 0.8, 2: 0.2}
    flow.decide("keep", why="not yet")
    flow.wait(minutes=5)
    found = flow.experiment()
    assert (found["status"], found["decision"]["by"], found["decision"]["reason"]) == ("kept", "ada", "not yet")


def test_harm_is_seen_while_a_person_thinks() -> None:
    flow = running(decision="manual")
    flow.serve(BETTER)
    flow.wait(minutes=35)
    assert flow.experiment()["status"] == "waits_for_decision"
    flow.serve({"challenger": (0, 0)}, failures=200)
    flow.wait(minutes=40)
    assert flow.experiment()["status"] == "stopped"


def test_a_person_may_promote_before_the_numbers_do() -> None:
    flow = running()
    flow.decide("promote")
    flow.play()
    assert flow.item()["live_version"] == 2
    flow.wait(minutes=5)
    assert flow.experiment()["status"] == "promoted"


def test_both_lanes_serve_until_the_promoted_version_is_live() -> None:
    flow = running()
    flow.decide("promote", "challenger")
    flow.collect()
    flow.attempt(*flow.pending.pop(0))
    assert flow.endpoints.states["sluicegate-churn"].status == "Updating"
    routing = flow.storage.json("routing/churn.json")
    assert [lane["version"] for lane in routing["lanes"]] == [3, 2]
    assert flow.experiments().advance(MODEL, flow.world.tick()) == "promoting"


def test_a_promotion_that_fails_leaves_the_champion() -> None:
    flow = running()
    flow.fail_update = "no capacity"
    flow.decide("promote")
    flow.play()
    flow.wait(minutes=5)
    found = flow.experiment()
    assert (found["status"], flow.item()["live_version"]) == ("failed", 3)
    assert "could not take over" in found["error"]["detail"]
    assert (flow.shares(), flow.lanes_up()) == ({3: 1.0}, set())


def test_a_lane_that_does_not_come_up_fails_the_experiment_alone() -> None:
    flow = contest()
    flow.fail_update = "the container did not answer /ping"
    flow.begin(2)
    flow.play()
    flow.wait(minutes=5)
    found = flow.experiment()
    assert (found["status"], found["error"]["detail"]) == ("failed", flow.fail_update)
    assert (flow.shares(), flow.lanes_up(), flow.item()["live_version"]) == ({3: 1.0}, set(), 3)


def test_a_bandit_moves_the_traffic_to_what_does_well() -> None:
    flow = running(mode="bandit", bandit={"warm_up": 50})
    assert flow.shares() == {3: 0.5, 2: 0.5}
    flow.serve({"champion": (300, 30), "challenger": (300, 90)})
    flow.wait(minutes=35)
    assert flow.experiment()["status"] == "running"
    assert flow.shares()[2] > 0.9
    assert flow.experiment()["weights"]["challenger"] == pytest.approx(flow.shares()[2])
    assert flow.item()["traffic"]["revision"] == 2


def test_a_bandit_plans_for_what_comes_until_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, float]] = []

    def weights(design: Design, lanes: object, now: float, batch: int, left: float) -> dict[str, float]:
        told.append((batch, left))
        return dict(design.shares)

    monkeypatch.setattr(experiment_looks, "weights", weights)
    flow = running(mode="bandit", max_duration="4h", outcome_window="1h", look_every="30m")
    flow.serve({"champion": (300, 30), "challenger": (300, 90)})
    flow.wait(minutes=35)
    looked = flow.experiment()["look"]
    batch, left = told[-1]
    assert batch == 600 and left == pytest.approx(600 * (4 * 3600 / looked["elapsed"] - 1))


def test_a_shadow_answers_nobody_and_promotes_nobody() -> None:
    flow = running(mode="shadow", max_duration="2h", outcome_window="1h")
    routing = flow.storage.json("routing/churn.json")
    assert [lane["version"] for lane in routing["lanes"]] == [3]
    assert (routing["shadow"]["version"], routing["shadow"]["sample"]) == (2, 1.0)
    assert flow.experiment()["weights"] == {"champion": 1.0, "shadow": 1.0}
    flow.serve({"shadow": (200, 180)})
    flow.wait(minutes=35)
    assert flow.experiment()["look"]["agreement"]["share"] == 0.9
    flow.wait(hours=2)
    found = flow.experiment()
    assert (found["status"], flow.item()["live_version"]) == ("kept", 3)
    assert "180 of 200 answers agree (90.0%)" in found["decision"]["reason"]
    assert flow.lanes_up() == set()


def test_looks_are_kept_in_full_and_only_when_they_say_something_new() -> None:
    flow = running()
    flow.serve(EVEN)
    flow.wait(hours=3)
    found = flow.experiment()
    assert found["looks"] == 1
    flow.serve(EVEN)
    flow.wait(minutes=35)
    found = flow.experiment()
    assert found["looks"] == len(found["course"]) == 2
    keys = [key for key in flow.storage.objects if key.startswith(f"experiments/{MODEL}/{found['experiment']}/looks/")]
    assert len(keys) == 2
    assert flow.storage.json(sorted(keys)[-1]) == found["look"]


def test_the_same_request_twice_is_one_experiment_and_another_is_refused() -> None:
    flow = running()
    before = flow.experiment()
    flow.begin(2)
    flow.begin(2, cause="once more")
    assert flow.registry.experiments(MODEL) == [before]
    with pytest.raises(CannotStart, match="has not ended"):
        flow.begin(1, cause="another")


@pytest.mark.parametrize(
    ("challengers", "given", "message"),
    [
        ((3,), {}, "is the champion"),
        ((9,), {}, "has no version 9"),
        ((2, 2), {}, "each once"),
        ((), {}, "1 to 4 versions"),
        ((1, 2), {"mode": "shadow"}, "one challenger"),
    ],
)
def test_what_cannot_be_compared_is_refused(challengers: tuple[int, ...], given: dict[str, str], message: str) -> None:
    flow = contest()
    with pytest.raises(CannotStart, match=message):
        flow.begin(*challengers, **given)
    assert flow.registry.experiments(MODEL) == []


def test_mistakes_in_what_is_given_are_all_told() -> None:
    flow = contest()
    with pytest.raises(SettingsError) as caught:
        flow.begin(2, traffic=3, alhpa=0.1)
    assert "experiment.traffic: given 3" in caught.value.detail
    assert "did you mean alpha" in caught.value.detail


def test_a_rejected_version_is_no_challenger() -> None:
    flow = contest()
    flow.registry.items["version", MODEL, 2] |= {"status": "rejected", "reason": "auc below the minimum"}
    with pytest.raises(CannotStart, match="is rejected: auc below the minimum"):
        flow.begin(2)


def test_a_version_that_somebody_deploys_ends_the_experiment() -> None:
    flow = running()
    flow.steer().deploy(MODEL, 1, By("ada", "go back"), flow.world.tick())
    flow.play()
    flow.wait(minutes=10)
    found = flow.experiment()
    assert found["status"] == "stopped"
    assert "Version 1 takes the champion's place" in found["decision"]["reason"]
    assert (flow.item()["live_version"], flow.shares(), flow.lanes_up()) == (1, {1: 1.0}, set())


def test_several_challengers_are_lanes_of_their_own() -> None:
    flow = contest()
    flow.begin(1, 2, traffic=0.4)
    flow.play()
    assert flow.shares() == pytest.approx({3: 0.6, 1: 0.2, 2: 0.2})
    flow.serve({"champion": (1200, 120), "challenger": (400, 40), "challenger-2": (400, 140)})
    flow.wait(minutes=40)
    assert (flow.experiment()["decision"]["version"], flow.item()["live_version"]) == (2, 2)


def test_the_range_of_rewards_is_what_feedback_may_say() -> None:
    flow = contest(settings="feedback: {reward: {min: -5, max: 20}}\n")
    with pytest.raises(CannotStart, match="is -5 to 20; a conversion is 0 or 1"):
        flow.begin(2)
    flow.begin(2, goal="mean")
    design = flow.experiment()["design"]
    assert (design["low"], design["high"], design["minimum_effect"]) == (-5, 20, 0.5)


def test_shares_are_tested_by_requests_and_not_by_their_records() -> None:
    """Eleven requests against nine, of a hundred records each, are no mismatch: each is a subject of its own."""
    flow = running(traffic=0.5)
    scope, hour = flow.experiment()["experiment"], hour_of(int(flow.world.now.timestamp() * 1000))
    for lane, requests in (("champion", range(9)), ("challenger", range(9, 20))):
        buckets = {number: Bucket(exposures=100) for number in requests}
        tally = Tally(exposures=100 * len(requests), latency=Latency.of(9.0), buckets=buckets)
        flow.tallies.add(MODEL, [Fact(lane, {Place(scope, lane, hour): tally})], flow.world.now)
    flow.wait(minutes=35)
    assert flow.experiment()["status"] == "running"
    assert flow.experiment()["look"]["srm_p"] > 0.5
