"""Which permissions a request needs: actions and the resources they act on.

Pure. From the Service Authorization Reference: each table row gives an operation's action and the ARN of what it
acts on. An operation that isn't listed needs an action of its own name on ``*``, which only a policy that says
``Resource: "*"`` grants: forgetting a row here can refuse too much, never too little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

Params = Mapping[str, Any]


class Need(NamedTuple):
    action: str
    resource: str
    context: Mapping[str, str] = {}


class Place(NamedTuple):
    """The parts of an ARN that all resources of the region share."""

    region: str
    account: str
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def needs(service: str, operation: str, params: Params, place: Place) -> list[Need]:
    """Everything that the caller of ``operation`` (botocore's names) must be allowed to do.

    >>> needs("sqs", "SendMessage", {"QueueUrl": "http://x/1/q"}, Place("eu-west-1", "1"))
    [Need(action='sqs:SendMessage', resource='arn:aws:sqs:eu-west-1:1:q', context={})]
    """
    rule = _SERVICES.get(service)
    if rule is None:
        return [Need(f"{service}:{operation}", "*")]
    return rule(operation, params, place)


# --- S3 -------------------------------------------------------------------------------------------------------------

_S3_ACTIONS = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListParts": "ListMultipartUploadParts",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "DeleteObjects": "DeleteObject",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
}


def _s3(operation: str, params: Params, place: Place) -> list[Need]:
    action = f"s3:{_S3_ACTIONS.get(operation, operation)}"
    bucket = params.get("Bucket")
    if not bucket:
        return [Need(action, "*")]
    arn = f"arn:{place.partition}:s3:::{bucket}"
    if operation == "DeleteObjects":
        objects = params.get("Delete", {}).get("Objects", [])
        return [Need(action, f"{arn}/{item['Key']}") for item in objects]
    if "Key" not in params:
        context = {"s3:prefix": str(params.get("Prefix") or "")} if action == "s3:ListBucket" else {}
        return [Need(action, arn, context)]
    found = [Need(action, f"{arn}/{params['Key']}")]
    if operation in ("CopyObject", "UploadPartCopy"):
        source = params.get("CopySource", "")
        path = f"{source['Bucket']}/{source['Key']}" if isinstance(source, Mapping) else unquote(source).lstrip("/")
        found.append(Need("s3:GetObject", f"arn:{place.partition}:s3:::{path.split('?')[0]}"))
    return found


# --- DynamoDB -------------------------------------------------------------------------------------------------------

_TRANSACTION_ACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}


def _dynamodb(operation: str, params: Params, place: Place) -> list[Need]:
    def table(name: str) -> str:
        return name if name.startswith("arn:") else place.arn("dynamodb", f"table/{name}")

    if operation in ("TransactWriteItems", "TransactGetItems"):
        return [
            Need(f"dynamodb:{_TRANSACTION_ACTIONS[kind]}", table(item["TableName"]), _leading_key(item))
            for entry in params.get("TransactItems", [])
            for kind, item in entry.items()
        ]
    if operation in ("BatchGetItem", "BatchWriteItem"):
        return [Need(f"dynamodb:{operation}", table(name)) for name in params.get("RequestItems", {})]
    name = params.get("TableName")
    if not name:
        return [Need(f"dynamodb:{operation}", "*")]
    index = params.get("IndexName")
    return [Need(f"dynamodb:{operation}", table(name) + (f"/index/{index}" if index else ""), _leading_key(params))]


def _leading_key(item: Params) -> dict[str, str]:
    """``dynamodb:LeadingKeys`` of one item, where its partition key is text and called pk: the keys of another table
    can't be told from its other attributes here, and a condition on them is then not met."""
    value = (item.get("Key") or item.get("Item") or {}).get("pk")
    text = value.get("S") if isinstance(value, Mapping) else None
    return {"dynamodb:LeadingKeys": text} if isinstance(text, str) else {}


# --- SQS, SNS, EventBridge, Logs, Secrets Manager, SSM, Lambda ------------------------------------------------------


def _sqs(operation: str, params: Params, place: Place) -> list[Need]:
    action = f"sqs:{operation.removesuffix('Batch')}"
    name = params.get("QueueName") or str(params.get("QueueUrl", "")).rstrip("/").rsplit("/", 1)[-1]
    return [Need(action, place.arn("sqs", name) if name else "*")]


def _sns(operation: str, params: Params, place: Place) -> list[Need]:
    action = f"sns:{operation.removesuffix('Batch')}"
    target = params.get("TopicArn") or params.get("TargetArn")
    return [Need(action, target or (place.arn("sns", params["Name"]) if "Name" in params else "*"))]


def _events(operation: str, params: Params, place: Place) -> list[Need]:
    def bus(name: str) -> str:
        return name if name.startswith("arn:") else place.arn("events", f"event-bus/{name}")

    if operation == "PutEvents":
        asked = {
            tuple(str(entry.get(member) or "") for member in ("EventBusName", "Source", "DetailType"))
            for entry in params.get("Entries", [])
        }
        return [
            Need("events:PutEvents", bus(name or "default"), {"events:source": source, "events:detail-type": kind})
            for name, source, kind in sorted(asked)
        ]
    rule = params.get("Rule") or params.get("Name")
    return [Need(f"events:{operation}", place.arn("events", f"rule/{rule}") if rule else "*")]


def _logs(operation: str, params: Params, place: Place) -> list[Need]:
    group = params.get("logGroupName")
    if not group:
        return [Need(f"logs:{operation}", "*")]
    stream = params.get("logStreamName")
    suffix = f":log-stream:{stream}" if stream and operation in ("PutLogEvents", "GetLogEvents") else ":*"
    return [Need(f"logs:{operation}", place.arn("logs", f"log-group:{group}{suffix}"))]


def _secrets(operation: str, params: Params, place: Place) -> list[Need]:
    secret = params.get("SecretId") or params.get("Name")
    if not secret:
        return [Need(f"secretsmanager:{operation}", "*")]
    arn = secret if secret.startswith("arn:") else place.arn("secretsmanager", f"secret:{secret}")
    return [Need(f"secretsmanager:{operation}", arn)]


def _ssm(operation: str, params: Params, place: Place) -> list[Need]:
    names = params.get("Names") or (
        [params["Name"]] if "Name" in params else [params["Path"]] if "Path" in params else []
    )
    arns = [n if n.startswith("arn:") else place.arn("ssm", f"parameter/{n.lstrip('/')}") for n in names]
    return [Need(f"ssm:{operation}", arn) for arn in arns] or [Need(f"ssm:{operation}", "*")]


def _lambda(operation: str, params: Params, place: Place) -> list[Need]:
    action = "lambda:InvokeFunction" if operation in ("Invoke", "InvokeAsync") else f"lambda:{operation}"
    name = params.get("FunctionName")
    if not name:
        return [Need(action, "*")]
    return [Need(action, name if name.startswith("arn:") else place.arn("lambda", f"function:{name}"))]


# --- SageMaker ------------------------------------------------------------------------------------------------------

#: request member → the resource type in the ARN
_SAGEMAKER_RESOURCES = {
    "TrainingJobName": "training-job",
    "TransformJobName": "transform-job",
    "HyperParameterTuningJobName": "hyper-parameter-tuning-job",
    "ProcessingJobName": "processing-job",
    "ModelName": "model",
    "EndpointName": "endpoint",
    "EndpointConfigName": "endpoint-config",
    "ModelPackageGroupName": "model-package-group",
    "NotebookInstanceName": "notebook-instance",
    "NotebookInstanceLifecycleConfigName": "notebook-instance-lifecycle-config",
}
#: which of the members above an operation acts on, where it isn't simply the one of its own name
_SAGEMAKER_ACTS_ON: dict[str, tuple[str, ...]] = {
    "CreateTransformJob": ("TransformJobName",),
    "CreateEndpoint": ("EndpointName", "EndpointConfigName"),
    "UpdateEndpoint": ("EndpointName", "EndpointConfigName"),
    "InvokeEndpoint": ("EndpointName",),
    "InvokeEndpointWithResponseStream": ("EndpointName",),
    "InvokeEndpointAsync": ("EndpointName",),
}
_PASSED_ROLES = ("RoleArn", "ExecutionRoleArn")


def _sagemaker(operation: str, params: Params, place: Place) -> list[Need]:
    action = f"sagemaker:{operation}"
    arns = _sagemaker_arns(operation, params, place)
    found = [Need(action, arn) for arn in arns or ["*"]]
    if operation.startswith("Create") and params.get("Tags"):
        # SageMaker asks for sagemaker:AddTags when a resource is created with tags.
        found += [Need("sagemaker:AddTags", arn) for arn in arns[:1]]
    for member in _PASSED_ROLES:
        if params.get(member):
            found.append(Need("iam:PassRole", params[member], {"iam:PassedToService": "sagemaker.amazonaws.com"}))
    return found


def _sagemaker_arns(operation: str, params: Params, place: Place) -> list[str]:
    def arn(kind: str, name: str) -> str:
        return name if name.startswith("arn:") else place.arn("sagemaker", f"{kind}/{name.lower()}")

    if operation.startswith("List") and operation not in ("ListTags", "ListTrainingJobsForHyperParameterTuningJob"):
        return []
    if operation in ("AddTags", "DeleteTags", "ListTags"):
        return [params["ResourceArn"]] if "ResourceArn" in params else []
    if operation == "CreateModelPackage":
        group = params.get("ModelPackageGroupName")
        return [arn("model-package", f"{group}/*" if group else params.get("ModelPackageName", "*"))]
    if "ModelPackageArn" in params:
        return [params["ModelPackageArn"]]
    if "ModelPackageArnList" in params:
        return list(params["ModelPackageArnList"])
    if "ModelPackageName" in params:
        return [arn("model-package", params["ModelPackageName"])]
    members = _SAGEMAKER_ACTS_ON.get(operation) or tuple(m for m in _SAGEMAKER_RESOURCES if m in params)[:1]
    return [arn(_SAGEMAKER_RESOURCES[m], params[m]) for m in members if params.get(m)]


# --- CloudWatch -----------------------------------------------------------------------------------------------------

_ON_ALARMS = frozenset(
    {"PutMetricAlarm", "DeleteAlarms", "DescribeAlarms", "DescribeAlarmHistory", "SetAlarmState"}
    | {"EnableAlarmActions", "DisableAlarmActions"}
)


def _cloudwatch(operation: str, params: Params, place: Place) -> list[Need]:
    """Alarms have ARNs; metrics have none, and a condition names their namespace."""
    action = f"cloudwatch:{operation}"
    if operation in _ON_ALARMS:
        names = params.get("AlarmNames") or [params.get("AlarmName") or "*"]
        found = [Need(action, place.arn("cloudwatch", f"alarm:{name}")) for name in names]
        if operation == "PutMetricAlarm" and params.get("Tags"):
            found += [Need("cloudwatch:TagResource", need.resource) for need in found]
        return found
    if operation in ("TagResource", "UntagResource", "ListTagsForResource"):
        return [Need(action, str(params.get("ResourceARN", "*")))]
    namespace = params.get("Namespace") if operation == "PutMetricData" else None
    return [Need(action, "*", {"cloudwatch:namespace": str(namespace)} if namespace else {})]


# --- Application Auto Scaling ---------------------------------------------------------------------------------------

_SCALING_IS_TRIED = frozenset({"RegisterScalableTarget", "PutScalingPolicy"})


def _autoscaling(operation: str, params: Params, place: Place) -> list[Need]:
    """A target's ARN has an id of the service's making: policies name ``scalable-target/*``, with conditions.

    Before it takes a target or a policy, the service tries with its caller's rights what scaling asks of the endpoint
    and of CloudWatch, there without naming an alarm ("Permissions validation for API calls on target resources",
    Application Auto Scaling User Guide).
    """
    action = f"application-autoscaling:{operation}"
    if operation.startswith("Describe"):
        return [Need(action, "*")]
    context = {
        f"application-autoscaling:{key}": str(params[member])
        for key, member in (("service-namespace", "ServiceNamespace"), ("scalable-dimension", "ScalableDimension"))
        if member in params
    }
    found = [Need(action, place.arn("application-autoscaling", "scalable-target/any"), context)]
    kind, _, name = str(params.get("ResourceId", "")).partition("/")
    if operation in _SCALING_IS_TRIED and kind == "endpoint":
        passed_on = {"aws:ViaAWSService": "true"}
        endpoint = place.arn("sagemaker", f"endpoint/{name.split('/')[0].lower()}")
        for tried in ("DescribeEndpoint", "UpdateEndpointWeightsAndCapacities"):
            found.append(Need(f"sagemaker:{tried}", endpoint, passed_on))
        for tried in ("PutMetricAlarm", "DescribeAlarms", "DeleteAlarms"):
            found.append(Need(f"cloudwatch:{tried}", place.arn("cloudwatch", "alarm:*"), passed_on))
    return found


_SERVICES: dict[str, Callable[[str, Params, Place], list[Need]]] = {
    "s3": _s3,
    "dynamodb": _dynamodb,
    "sqs": _sqs,
    "sns": _sns,
    "events": _events,
    "logs": _logs,
    "secretsmanager": _secrets,
    "ssm": _ssm,
    "lambda": _lambda,
    "cloudwatch": _cloudwatch,
    "application-autoscaling": _autoscaling,
    "sagemaker": _sagemaker,
    "sagemaker-runtime": _sagemaker,
}
