from __future__ import annotations

from dataclasses import replace

import pytest

from sluicegate.ports_serving import BlueGreen, Instances, Serverless
from sluicegate.services.catalog import Catalog
from tests.support.fakes import START
from tests.support.flow import Flow, table


def live(flow: Flow) -> int | None:
    found: int | None = flow.registry.model("churn").get("live_version")
    return found


def lanes(flow: Flow) -> tuple[list[int], list[int]]:
    routing = flow.storage.json("routing/churn.json")
    return [lane["version"] for lane in routing["lanes"]], [lane["version"] for lane in routing["coming"]]


def test_a_worse_version_is_rejected_with_its_reason_and_changes_nothing() -> None:
    names: list[str] = []

    def skill(job: str) -> float:
        names.append(job) if job not in names else None
        return 0.97 if names.index(job) == 0 else 0.5

    flow = Flow(skill=skill)
    flow.put("data/churn/a.csv", table(400))
    flow.play()
    before = flow.storage.json("routing/churn.json")
    flow.put("data/churn/b.csv", table(500, 2))
    flow.play()
    assert live(flow) == 1
    version = flow.registry.version("churn", 2)
    assert version["status"] == "rejected"
    arn = version["model_package_arn"]
    assert flow.packages.packages[arn].approval == "Rejected"
    assert flow.packages.reasons[arn] == version["reason"] == version["verdict"]["reason"]
    assert flow.storage.json("routing/churn.json") == before
    assert flow.endpoints.orders == ["sluicegate-churn-v1"]
    report = flow.storage.json(f"evaluations/churn/{version['run']}/report.json")
    assert report["champion"] == 1
    assert report["comparison"]["high"] < 0


@pytest.mark.parametrize(
    ("settings", "compared"),
    [(b"split: {holdout: 0.3}\n", False), (b"split: {holdout: 0.1}\n", True), (b"id_column: height\n", False)],
)
def test_a_champion_is_not_judged_on_rows_that_it_learned_from(settings: bytes, compared: bool) -> None:
    """A larger holdout, or another key of the split, holds rows out that the champion was trained on."""
    flow = Flow()
    flow.put("data/churn/a.csv", table(400))
    flow.play()
    flow.put("models/churn/model.yaml", settings)
    flow.play()
    version = flow.registry.version("churn", 2)
    report = flow.storage.json(f"evaluations/churn/{version['run']}/report.json")
    assert (report["comparison"] is not None) == compared


def test_a_version_that_waits_for_a_person_holds_nothing_up() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"approval: manual\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    assert live(flow) is None
    assert flow.registry.version("churn", 1)["status"] == "pending_approval"
    assert "active_run" not in flow.registry.model("churn")
    arn = flow.registry.version("churn", 1)["model_package_arn"]
    flow.packages.decide(arn, "Approved", "looks good")
    flow.play()
    assert live(flow) == 1
    assert flow.registry.runs("churn")[0]["status"] == "live"


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("Label leaks.", "Rejected in the model registry: Label leaks."),
        ("", "Rejected in the model registry."),
    ],
)
def test_a_person_may_say_no_and_why(why: str, told: str) -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"approval: manual\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    waiting = flow.registry.version("churn", 1)
    # who writes nothing leaves what the gate said there
    said = why or (waiting["verdict"] or {})["reason"]
    flow.packages.decide(waiting["model_package_arn"], "Rejected", said)
    flow.play()
    assert flow.registry.version("churn", 1)["status"] == "rejected"
    assert flow.registry.runs("churn")[0]["status"] == "rejected"
    assert flow.endpoints.states == {}
    assert Catalog(flow.registry).model("churn", flow.world.now)["message"] == f"version 1 rejected: {told}"


def test_an_older_approval_that_comes_late_deploys_nothing() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"approval: manual\n")
    for number in (1, 2):
        flow.put(f"data/churn/{number}.csv", table(240, number))
        flow.play()
    first, second = (flow.registry.version("churn", number)["model_package_arn"] for number in (1, 2))
    flow.packages.decide(first, "Approved", "")
    late = flow.world.events.pop()
    flow.packages.decide(second, "Approved", "")
    flow.play()
    assert live(flow) == 2
    flow.pending.append(late)
    flow.play()
    assert live(flow) == 2
    assert flow.registry.version("churn", 1)["status"] == "retired"
    assert flow.endpoints.orders == ["sluicegate-churn-v2"]


def test_the_routing_knows_the_coming_version_before_the_endpoint_does() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    seen = []
    update = flow.endpoints.update

    def watched(name: str, config: str, guard: BlueGreen | None = None, keep: bool = False) -> None:
        seen.append(lanes(flow))
        update(name, config, guard, keep)

    flow.endpoints.update = watched  # type: ignore[method-assign]
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    assert seen == [([1], [2])]
    assert lanes(flow) == ([2], [])
    lane = flow.storage.json("routing/churn.json")["lanes"][0]
    assert (lane["endpoint"], lane["variant"], lane["problem"]["classes"]) == (
        *("sluicegate-churn", "v2"),
        ["no", "yes"],
    )


def test_an_update_that_fails_leaves_the_old_version_serving() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    flow.fail_update = "Request to service failed: no capacity"
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play(copies=2)
    assert live(flow) == 1
    assert flow.registry.version("churn", 2)["status"] == "failed"
    run = next(run for run in flow.registry.runs("churn") if run["version"] == 2)
    assert (run["status"], run["error"]["detail"]) == ("failed", flow.fail_update)
    assert lanes(flow) == ([1], [])
    flow.fail_update = ""
    flow.put("data/churn/c.csv", table(280, 3))
    flow.play()
    assert live(flow) == 3


def test_a_first_endpoint_that_failed_is_replaced() -> None:
    flow = Flow()
    flow.fail_update = "no capacity"
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    assert live(flow) is None
    assert flow.registry.model("churn")["state"] == "failed"
    flow.fail_update = ""
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    assert live(flow) == 2


def test_a_busy_endpoint_gets_the_desired_version_when_it_is_free() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    name = "sluicegate-churn"
    flow.endpoints.states[name] = replace(flow.endpoints.states[name], status="SystemUpdating")
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    assert live(flow) == 1
    flow.endpoints.states[name] = replace(flow.endpoints.states[name], status="InService")
    flow.world.say("endpoint", name)
    flow.play()
    assert live(flow) == 2


def test_only_the_previous_version_is_kept_for_a_way_back() -> None:
    flow = Flow()
    for number in range(1, 5):
        flow.put(f"data/churn/{number}.csv", table(200 + number, number))
        flow.play()
    assert live(flow) == 4
    assert sorted(flow.endpoints.endpoint_configs) == ["sluicegate-churn-v3", "sluicegate-churn-v4"]
    assert len(flow.jobs.models) == 2


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        (b"endpoint: {instance: ml.m5.large, min: 2}\n", Instances("ml.m5.large", 2)),
        (b"endpoint: {serverless: {memory_mb: 4096, max_concurrency: 9}}\n", Serverless(4096, 9)),
        (b"approval: automatic\n", Serverless(2048, 5)),
    ],
)
def test_the_endpoint_has_the_size_that_the_settings_say(settings: bytes, size: object) -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", settings)
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    assert flow.endpoints.endpoint_configs["sluicegate-churn-v1"][2] == size


def test_predictions_that_lack_rows_fail_the_run() -> None:
    flow = Flow()
    flow.predict = lambda name: flow.storage.objects.update(  # type: ignore[method-assign]
        {flow.jobs.transforms[name].output_uri.removeprefix("s3://data/") + "/part.out": b"0.5\n0.5\n"}
    )
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    (run,) = flow.registry.runs("churn")
    assert run["status"] == "failed"
    assert "predicted 2 rows" in run["error"]["detail"]


def test_endpoints_and_packages_of_others_are_left_alone() -> None:
    flow = Flow()
    assert flow.deliver("endpoint", "e", "somebody-elses") == "ignored"
    assert flow.deliver("endpoint", "e", "sluicegate-unknown") == "ignored"
    assert flow.deliver("package", "e", "arn:aws:sagemaker:us-east-1:1:model-package/other/1") == "ignored"
    assert flow.deliver("training", "e", "sluicegate-churn-1f2e3d4c") == "ignored"
    assert flow.world.now >= START
