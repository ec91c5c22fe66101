"""What the template promises: narrow policies, an address for every failure, bounded parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluice.packaging import read_template

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = read_template(ROOT / "template.yaml")
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
FUNCTIONS = {name: item for name, item in RESOURCES.items() if item["Type"] == "AWS::Serverless::Function"}
WOKEN_BY_EVENTS = (
    *("IngestDataFunction", "EvaluateModelFunction", "RegisterModelFunction"),
    *("DeployModelFunction", "TrackEndpointFunction", "StartBatchFunction", "FinishBatchFunction"),
    "CollectFeedbackFunction",
    *("FollowTuningFunction", "FinishPreparationFunction"),
)
#: actions for which IAM knows no resource
NO_RESOURCE_LEVEL = {"ecr:GetAuthorizationToken", "cloudwatch:PutMetricData", "sagemaker:ListModelPackages"}
NO_RESOURCE_LEVEL |= {"pricing:GetProducts", "cloudwatch:GetMetricStatistics"}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, item in FUNCTIONS.items():
        for policy in item["Properties"].get("Policies", []):
            found += [(name, statement) for statement in policy["Statement"]]
    for role in ("SageMakerRole", "NotebookRole", "PreparationRole"):
        for policy in RESOURCES[role]["Properties"]["Policies"]:
            found += [(role, statement) for statement in policy["PolicyDocument"]["Statement"]]
    return found


@pytest.mark.parametrize(("owner", "statement"), statements())
def test_policies_name_actions_and_resources(owner: str, statement: dict[str, Any]) -> None:
    actions = set(listed(statement["Action"]))
    assert not any("*" in action for action in actions), f"{owner}: {actions}"
    if "*" in listed(statement["Resource"]):
        assert actions <= NO_RESOURCE_LEVEL, f"{owner}: {actions} for every resource"


def test_a_role_can_be_passed_only_to_sagemaker() -> None:
    passing = [item for _, item in statements() if "iam:PassRole" in listed(item["Action"])]
    assert len(passing) == 10
    for statement in passing:
        roles = {role["Fn::GetAtt"][0] for role in listed(statement["Resource"])}
        assert roles <= {"SageMakerRole", "PreparationRole"}
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_what_prepares_can_be_passed_only_by_what_starts_it_and_trains_nothing() -> None:
    """A script of a user's own runs as SageMakerRole: it must neither read uploads nor write data sets."""
    passing = [
        owner for owner, item in statements() if {"Fn::GetAtt": ["PreparationRole", "Arn"]} in listed(item["Resource"])
    ]
    assert passing == ["StartTrainingFunction"]
    written = {
        resource["Fn::Sub"]
        for owner, item in statements()
        if owner == "SageMakerRole" and "s3:PutObject" in listed(item["Action"])
        for resource in listed(item["Resource"])
    }
    assert written == {
        f"${{DataBucket.Arn}}/{folder}/*" for folder in ("artifacts", "evaluations", "batches", "data-capture")
    }


def test_only_those_who_issue_and_check_inference_ids_read_the_secret() -> None:
    readers = [owner for owner, item in statements() if "secretsmanager:GetSecretValue" in listed(item["Action"])]
    assert sorted(readers) == ["PredictFunction", "RecordFeedbackFunction"]


#: "Permissions required for actions on target services and CloudWatch", Application Auto Scaling User Guide
SCALING_TAKES = {"sagemaker:DescribeEndpoint", "sagemaker:DescribeEndpointConfig"}
SCALING_TAKES |= {"sagemaker:UpdateEndpointWeightsAndCapacities"}
SCALING_TAKES |= {f"cloudwatch:{action}" for action in ("PutMetricAlarm", "DescribeAlarms", "DeleteAlarms")}


def test_who_lets_an_endpoint_scale_may_do_what_scaling_does() -> None:
    granted: dict[str, set[str]] = {}
    for owner, item in statements():
        granted.setdefault(owner, set()).update(listed(item["Action"]))
    scaling = {name for name, found in granted.items() if "application-autoscaling:RegisterScalableTarget" in found}
    assert scaling == {"DeployModelFunction", "TrackEndpointFunction", "AdvanceRolloutsFunction"}
    for name in scaling:
        assert granted[name] >= SCALING_TAKES, name


def test_only_what_batches_wait_for_can_be_deleted_from_the_registry() -> None:
    found = {owner: item for owner, item in statements() if "dynamodb:DeleteItem" in listed(item["Action"])}
    assert set(found) == {"StartBatchFunction", "FinishBatchFunction", "WakeModelsFunction"}
    for item in found.values():
        assert item["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["PREDICTING"]}}


def test_alarms_of_others_are_touched_by_services_only() -> None:
    every = {"Fn::Sub": "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*"}
    found = [item for _, item in statements() if every in listed(item["Resource"])]
    assert len(found) == 4
    assert all(item["Condition"] == {"Bool": {"aws:ViaAWSService": "true"}} for item in found)


@pytest.mark.parametrize("name", WOKEN_BY_EVENTS)
def test_what_an_event_wakes_has_dead_letter_queues_and_retries(name: str) -> None:
    properties = FUNCTIONS[name]["Properties"]
    queue = {"Fn::GetAtt": ["EventsDeadLetterQueue", "Arn"]}
    assert properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"] == queue
    for event in properties["Events"].values():
        assert event["Type"] == "EventBridgeRule"
        assert event["Properties"]["DeadLetterConfig"]["Arn"] == queue
        assert event["Properties"]["RetryPolicy"]["MaximumRetryAttempts"] >= 1


def test_what_sees_to_all_models_has_the_time_for_it() -> None:
    """Each takes a second or several, and who is last must not wait for ever."""
    scheduled = {
        name
        for name, item in FUNCTIONS.items()
        if any(event["Type"] == "Schedule" for event in item["Properties"].get("Events", {}).values())
    }
    assert len(scheduled) == 5
    assert all(FUNCTIONS[name]["Properties"].get("Timeout", 60) >= 300 for name in scheduled)


def test_the_training_queue_gives_up_into_a_queue_and_outlasts_its_function() -> None:
    queue = RESOURCES["TrainingQueue"]["Properties"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["TrainingDeadLetterQueue", "Arn"]}
    assert queue["VisibilityTimeout"] > FUNCTIONS["StartTrainingFunction"]["Properties"]["Timeout"]
    source = FUNCTIONS["StartTrainingFunction"]["Properties"]["Events"]["TrainingAsked"]["Properties"]
    assert source["BatchSize"] == 1
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_every_queue_and_function_has_an_alarm_and_every_function_a_log_that_ends() -> None:
    alarms = [item["Properties"] for item in RESOURCES.values() if item["Type"] == "AWS::CloudWatch::Alarm"]
    watched = [alarm["Dimensions"][0]["Value"] for alarm in alarms]
    assert all(alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}] for alarm in alarms)
    for queue in ("EventsDeadLetterQueue", "TrainingDeadLetterQueue", "TrainingQueue"):
        assert {"Fn::GetAtt": [queue, "QueueName"]} in watched
    logs = [item["Properties"] for item in RESOURCES.values() if item["Type"] == "AWS::Logs::LogGroup"]
    names = [log["LogGroupName"] for log in logs]
    assert all(log["RetentionInDays"] == {"Ref": "LogRetentionDays"} for log in logs)
    for name in FUNCTIONS:
        assert {"Ref": name} in watched
        assert {"Fn::Sub": f"/aws/lambda/${{{name}}}"} in names


@pytest.mark.parametrize("name", sorted(TEMPLATE["Parameters"]))
def test_parameters_are_described_bounded_and_grouped(name: str) -> None:
    parameter = TEMPLATE["Parameters"][name]
    assert parameter["Description"]
    assert "Default" in parameter
    assert {"AllowedValues", "AllowedPattern"} & set(parameter) or {"MinValue", "MaxValue"} <= set(parameter)
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sum(name in group["Parameters"] for group in groups) == 1


def test_only_the_page_needs_no_key() -> None:
    open_paths = {
        event["Properties"]["Path"]
        for item in FUNCTIONS.values()
        for event in item["Properties"].get("Events", {}).values()
        if event["Type"] == "Api" and event["Properties"].get("Auth", {}).get("ApiKeyRequired") is False
    }
    assert RESOURCES["Api"]["Properties"]["Auth"]["ApiKeyRequired"] is True
    assert open_paths == {"/", "/{asset}"}


def test_code_and_events_exist_for_every_function() -> None:
    for item in FUNCTIONS.values():
        folder = ROOT / item["Properties"]["CodeUri"]
        assert (folder / "app.py").is_file()
        assert (ROOT / "events" / f"{folder.name}.json").is_file()
        assert (ROOT / "events" / f"{folder.name}.malformed.json").is_file()


def test_data_outlive_the_stack() -> None:
    for name in ("DataBucket", "RegistryTable"):
        assert RESOURCES[name]["DeletionPolicy"] == RESOURCES[name]["UpdateReplacePolicy"] == "Retain"
