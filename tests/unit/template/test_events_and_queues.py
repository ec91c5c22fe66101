"""Nothing that is asynchronous can be lost, and the sample events are events that the rules let through."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from sluice.packaging import read_template
from sluicegate.adapters.bell import EventBridgeBell
from sluicegate.ports import JobKind

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = read_template(ROOT / "template.yaml")
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
FUNCTIONS = {
    name: item["Properties"] for name, item in RESOURCES.items() if item["Type"] == "AWS::Serverless::Function"
}
QUEUES = {name: item["Properties"] for name, item in RESOURCES.items() if item["Type"] == "AWS::SQS::Queue"}
#: what is left of a failure ends here, and an alarm says so
LAST = {"TrainingDeadLetterQueue", "EventsDeadLetterQueue"}
RULES = [
    (name, event["Properties"])
    for name, item in FUNCTIONS.items()
    for event in item.get("Events", {}).values()
    if event["Type"] == "EventBridgeRule"
]


#: what a rule makes of the stack's parameters
SUBSTITUTED = {f"${{NamePrefix}}-{rest}": f"sluicegate-{rest}" for rest in ("", "T", "*-b", "*-p")}


def arn(queue: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [queue, "Arn"]}


def test_every_queue_gives_up_into_another_or_is_the_last() -> None:
    assert set(QUEUES) > LAST
    for name, queue in QUEUES.items():
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert queue["SqsManagedSseEnabled"] is True
        if name not in LAST:
            assert queue["RedrivePolicy"]["deadLetterTargetArn"] in [arn(last) for last in LAST]


def test_every_event_is_of_a_kind_whose_failures_are_kept() -> None:
    """An HTTP caller hears of a failure, the queue's source leaves the message there; a rule has its own queue; what
    subscribes to a log is called asynchronously."""
    kinds = {event["Type"] for item in FUNCTIONS.values() for event in item.get("Events", {}).values()}
    assert kinds == {"Api", "SQS", "EventBridgeRule", "Schedule", "CloudWatchLogs"}
    scheduled = {}
    for name, item in FUNCTIONS.items():
        for event in item.get("Events", {}).values():
            if event["Type"] == "Schedule":
                scheduled[name] = event["Properties"]
    assert all(rule["DeadLetterConfig"]["Arn"] == arn("EventsDeadLetterQueue") for rule in scheduled.values())
    assert not {"AWS::Events::Rule", "AWS::Scheduler::Schedule", "AWS::Lambda::Permission"} & {
        item["Type"] for item in RESOURCES.values()
    }
    subscribed = {
        name
        for name, item in FUNCTIONS.items()
        for event in item.get("Events", {}).values()
        if event["Type"] == "CloudWatchLogs"
    }
    assert {name for name, _ in RULES} | set(scheduled) | subscribed == {
        name for name, item in FUNCTIONS.items() if "EventInvokeConfig" in item
    }
    for name in subscribed:
        on_failure = FUNCTIONS[name]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
        assert on_failure == {"Type": "SQS", "Destination": arn("EventsDeadLetterQueue")}
    for name, rule in RULES:
        assert rule["DeadLetterConfig"]["Arn"] == arn("EventsDeadLetterQueue")
        assert rule["RetryPolicy"]["MaximumEventAgeInSeconds"] >= 3600
        invoke = FUNCTIONS[name]["EventInvokeConfig"]
        assert invoke["MaximumRetryAttempts"] == 2
        assert invoke["DestinationConfig"]["OnFailure"] == {"Type": "SQS", "Destination": arn("EventsDeadLetterQueue")}


def test_the_rules_may_leave_their_failures_whatever_the_stack_is_called() -> None:
    """A name pattern would miss the rules of a stack whose name CloudFormation had to cut (64 characters a rule)."""
    (statement,) = RESOURCES["EventsDeadLetterQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    wanted = [
        {"Fn::GetAtt": [f"{name}{event}", "Arn"]}
        for name, item in FUNCTIONS.items()
        for event, properties in item.get("Events", {}).items()
        if properties["Type"] in ("EventBridgeRule", "Schedule")
    ]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": wanted}}


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        known = {"Ref": {"DataBucket": "sluicegate-data", "NamePrefix": "sluicegate"}, "Fn::Sub": SUBSTITUTED}
        for intrinsic, values in known.items():
            if intrinsic in value:
                return values[value[intrinsic]]
        return {key: _filled(item) for key, item in value.items()}
    return [_filled(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("name", "rule"), RULES, ids=[name for name, _ in RULES])
def test_a_sample_event_passes_its_rule_and_no_other(name: str, rule: dict[str, Any]) -> None:
    pattern = EventPattern.load(json.dumps(_filled(rule["Pattern"])))
    for other, _ in RULES:
        folder = Path(FUNCTIONS[other]["CodeUri"]).name
        # a function with several rules has a sample for each
        files = [path for path in (ROOT / "events").glob(f"{folder}.*json") if "malformed" not in path.name]
        passed = any(pattern.matches_event(json.loads(path.read_text())) for path in files)
        # a decision about versions is one for rollouts and for experiments: the same ring wakes both
        mine = other == name or any(found["Pattern"] == rule["Pattern"] for one, found in RULES if one == other)
        assert passed is mine, f"the samples of {folder} and the rule of {name}"


@pytest.mark.parametrize(
    ("kind", "job", "function"),
    [
        ("processing", "sluicegate-churn-1f2e3d4c-p", "FinishPreparationFunction"),
        ("training", "sluicegate-churn-1f2e3d4c", "EvaluateModelFunction"),
        ("tuning", "sluicegate-T1f2e3d4c-churn", "FollowTuningFunction"),
        ("transform", "sluicegate-churn-1f2e3d4c", "RegisterModelFunction"),
        ("batch", "sluicegate-churn-1f2e3d4ca-b", "FinishBatchFunction"),
    ],
)
def test_an_end_that_is_told_again_wakes_whom_sagemakers_event_would_have_woken(
    kind: JobKind, job: str, function: str
) -> None:
    class Events:
        def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
            self.entry = Entries[0]
            return {}

    events = Events()
    EventBridgeBell(events, "sluicegate").ended(kind, job, "Stopped", datetime(2026, 1, 2, tzinfo=UTC))
    told: Any = {
        "source": events.entry["Source"],
        "detail-type": events.entry["DetailType"],
        "detail": json.loads(events.entry["Detail"]),
    }
    woken = {
        name for name, rule in RULES if EventPattern.load(json.dumps(_filled(rule["Pattern"]))).matches_event(told)
    }
    assert woken == {function}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_what_a_function_may_do_in_sagemaker_ends_at_the_prefix(name: str) -> None:
    for policy in FUNCTIONS[name].get("Policies", []):
        for statement in policy["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            if not any(action.startswith("sagemaker:") for action in actions) or statement["Resource"] == "*":
                continue  # test_template holds which actions may name every resource
            given = statement["Resource"]
            for resource in given if isinstance(given, list) else [given]:
                assert re.search(r"/\$\{NamePrefix\}-\*(/\*|-x\*)?$", resource["Fn::Sub"]), resource


def test_only_the_rule_that_forbids_names_everybody() -> None:
    for name, item in RESOURCES.items():
        if item["Type"] in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"):
            for statement in item["Properties"]["PolicyDocument"]["Statement"]:
                everybody = statement["Principal"] == "*" or statement["Action"] == "s3:*"
                assert not everybody or statement["Effect"] == "Deny", name


@pytest.mark.parametrize("name", sorted(TEMPLATE["Parameters"]))
def test_a_default_keeps_to_its_own_bounds(name: str) -> None:
    parameter = TEMPLATE["Parameters"][name]
    default = parameter["Default"]
    if "AllowedValues" in parameter:
        assert default in parameter["AllowedValues"]
    if "AllowedPattern" in parameter:
        assert re.fullmatch(parameter["AllowedPattern"], default)
        assert parameter["ConstraintDescription"]
    if "MinValue" in parameter:
        assert parameter["MinValue"] <= default <= parameter["MaxValue"]


@pytest.mark.parametrize("name", sorted(TEMPLATE["Outputs"]))
def test_outputs_are_described_and_fit(name: str) -> None:
    output = TEMPLATE["Outputs"][name]
    assert 0 < len(output["Description"].encode()) <= 1024
    assert len(str(output["Value"]).encode()) <= 1024
