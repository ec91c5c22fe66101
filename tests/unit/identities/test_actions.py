"""Which permission each request needs."""

from __future__ import annotations

from typing import Any

import pytest

from local_region.identities.actions import Place, needs

PLACE = Place("eu-west-1", "111122223333")
SM = "arn:aws:sagemaker:eu-west-1:111122223333"
ROLE = "arn:aws:iam::111122223333:role/sagemaker"


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        ("s3", "GetObject", {"Bucket": "b", "Key": "a/ü b"}, [("s3:GetObject", "arn:aws:s3:::b/a/ü b")]),
        ("s3", "HeadObject", {"Bucket": "b", "Key": "k"}, [("s3:GetObject", "arn:aws:s3:::b/k")]),
        ("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "data/"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("s3", "UploadPart", {"Bucket": "b", "Key": "k"}, [("s3:PutObject", "arn:aws:s3:::b/k")]),
        (
            "s3",
            "CopyObject",
            {"Bucket": "b", "Key": "k", "CopySource": "/from/x%20y?versionId=1"},
            [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObject", "arn:aws:s3:::from/x y")],
        ),
        (
            "s3",
            "DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "1"}, {"Key": "2"}]}},
            [("s3:DeleteObject", "arn:aws:s3:::b/1"), ("s3:DeleteObject", "arn:aws:s3:::b/2")],
        ),
        (
            "dynamodb",
            "Query",
            {"TableName": "t", "IndexName": "i"},
            [("dynamodb:Query", "arn:aws:dynamodb:eu-west-1:111122223333:table/t/index/i")],
        ),
        (
            "dynamodb",
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "t"}}, {"ConditionCheck": {"TableName": "t"}}]},
            [
                ("dynamodb:PutItem", "arn:aws:dynamodb:eu-west-1:111122223333:table/t"),
                ("dynamodb:ConditionCheckItem", "arn:aws:dynamodb:eu-west-1:111122223333:table/t"),
            ],
        ),
        (
            "sqs",
            "SendMessageBatch",
            {"QueueUrl": "http://127.0.0.1:4566/111122223333/q"},
            [("sqs:SendMessage", "arn:aws:sqs:eu-west-1:111122223333:q")],
        ),
        (
            "cloudwatch",
            "PutMetricAlarm",
            {"AlarmName": "a", "Tags": [{"Key": "k", "Value": "v"}]},
            [
                ("cloudwatch:PutMetricAlarm", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a"),
                ("cloudwatch:TagResource", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a"),
            ],
        ),
        (
            "cloudwatch",
            "DeleteAlarms",
            {"AlarmNames": ["a", "b"]},
            [
                ("cloudwatch:DeleteAlarms", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a"),
                ("cloudwatch:DeleteAlarms", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:b"),
            ],
        ),
        ("cloudwatch", "PutMetricData", {"Namespace": "n"}, [("cloudwatch:PutMetricData", "*")]),
        (
            "events",
            "PutEvents",
            {"Entries": [{}, {"EventBusName": "other"}]},
            [
                ("events:PutEvents", "arn:aws:events:eu-west-1:111122223333:event-bus/default"),
                ("events:PutEvents", "arn:aws:events:eu-west-1:111122223333:event-bus/other"),
            ],
        ),
        (
            "sagemaker",
            "CreateTrainingJob",
            {"TrainingJobName": "Job", "RoleArn": ROLE, "Tags": [{"Key": "a", "Value": "b"}]},
            [
                ("sagemaker:CreateTrainingJob", f"{SM}:training-job/job"),
                ("sagemaker:AddTags", f"{SM}:training-job/job"),
                ("iam:PassRole", ROLE),
            ],
        ),
        (
            "sagemaker",
            "CreateTransformJob",
            {"TransformJobName": "t", "ModelName": "m"},
            [("sagemaker:CreateTransformJob", f"{SM}:transform-job/t")],
        ),
        (
            "sagemaker",
            "UpdateEndpoint",
            {"EndpointName": "e", "EndpointConfigName": "c"},
            [("sagemaker:UpdateEndpoint", f"{SM}:endpoint/e"), ("sagemaker:UpdateEndpoint", f"{SM}:endpoint-config/c")],
        ),
        (
            "sagemaker",
            "CreateModelPackage",
            {"ModelPackageGroupName": "g"},
            [("sagemaker:CreateModelPackage", f"{SM}:model-package/g/*")],
        ),
        ("sagemaker", "ListTrainingJobs", {"NameContains": "x"}, [("sagemaker:ListTrainingJobs", "*")]),
        (
            "sagemaker",
            "ListTrainingJobsForHyperParameterTuningJob",
            {"HyperParameterTuningJobName": "Tuned"},
            [("sagemaker:ListTrainingJobsForHyperParameterTuningJob", f"{SM}:hyper-parameter-tuning-job/tuned")],
        ),
        (
            "sagemaker-runtime",
            "InvokeEndpoint",
            {"EndpointName": "e"},
            [("sagemaker:InvokeEndpoint", f"{SM}:endpoint/e")],
        ),
        (
            "lambda",
            "Invoke",
            {"FunctionName": "f"},
            [("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:111122223333:function:f")],
        ),
        ("kms", "Decrypt", {"KeyId": "k"}, [("kms:Decrypt", "*")]),
    ],
)
def test_needs(service: str, operation: str, params: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert [(need.action, need.resource) for need in needs(service, operation, params, PLACE)] == expected


@pytest.mark.parametrize("operation", ["RegisterScalableTarget", "PutScalingPolicy"])
def test_who_lets_an_endpoint_scale_needs_what_scaling_does(operation: str) -> None:
    asked = {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/C/variant/v1"}
    own, *tried = needs("application-autoscaling", operation, asked, PLACE)
    assert own.context == {"application-autoscaling:service-namespace": "sagemaker"}
    alarms = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:*"
    assert {(need.action, need.resource) for need in tried} == {
        ("sagemaker:DescribeEndpoint", f"{SM}:endpoint/c"),
        ("sagemaker:UpdateEndpointWeightsAndCapacities", f"{SM}:endpoint/c"),
        ("cloudwatch:PutMetricAlarm", alarms),
        ("cloudwatch:DescribeAlarms", alarms),
        ("cloudwatch:DeleteAlarms", alarms),
    }
    assert all(need.context == {"aws:ViaAWSService": "true"} for need in tried)


def test_passing_a_role_names_the_service_it_is_passed_to() -> None:
    found = needs("sagemaker", "CreateModel", {"ModelName": "m", "ExecutionRoleArn": ROLE}, PLACE)
    assert found[-1].context == {"iam:PassedToService": "sagemaker.amazonaws.com"}


def test_a_transactions_items_are_told_by_their_leading_keys() -> None:
    update = {"TableName": "t", "Key": {"pk": {"S": "TALLY#churn#v1"}, "sk": {"S": "champion"}}}
    put = {"TableName": "t", "Item": {"pk": {"S": "COUNTED#churn#a"}, "said": {"S": "1"}}}
    found = needs("dynamodb", "TransactWriteItems", {"TransactItems": [{"Update": update}, {"Put": put}]}, PLACE)
    assert [(need.action, need.context) for need in found] == [
        ("dynamodb:UpdateItem", {"dynamodb:LeadingKeys": "TALLY#churn#v1"}),
        ("dynamodb:PutItem", {"dynamodb:LeadingKeys": "COUNTED#churn#a"}),
    ]
    assert needs("dynamodb", "GetItem", {"TableName": "t", "Key": {"id": {"S": "x"}}}, PLACE)[0].context == {}


def test_an_event_is_told_by_its_source_and_kind() -> None:
    entries = [
        {"Source": "mine", "DetailType": "Asked"},
        {"Source": "mine", "DetailType": "Asked"},
        {"Source": "other"},
    ]
    found = needs("events", "PutEvents", {"Entries": entries}, PLACE)
    assert [need.context for need in found] == [
        {"events:source": "mine", "events:detail-type": "Asked"},
        {"events:source": "other", "events:detail-type": ""},
    ]


def test_a_condition_may_name_a_metrics_namespace() -> None:
    (metric,) = needs("cloudwatch", "PutMetricData", {"Namespace": "n"}, PLACE)
    assert metric.context == {"cloudwatch:namespace": "n"}
