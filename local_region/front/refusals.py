"""What moto would answer with success though nothing in the region acts on it: refused by name instead.

Its other services are whole worlds of such answers (a machine that runs nothing, a query without rows), so only those
that the region stands for are reached. Of these, operations whose effect nobody here brings about are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from local_region.front.errors import not_implemented
from local_region.front.request import Incoming
from local_region.ports import AwsError

#: moto's names of the services that the region has of it
SERVED = frozenset(
    {"s3", "dynamodb", "dynamodbstreams", "sqs", "sns", "events", "cloudwatch", "logs"}
    | {"iam", "sts", "secretsmanager", "ssm", "kms"}
)
#: signing names of services that have no regions, or whose clients sign for any
_EVERYWHERE = frozenset({"s3", "iam", "sts"})
_BODY = 4 * 1024 * 1024
#: backend → operations that moto keeps and that never act
_IDLE: Mapping[str, re.Pattern[str]] = {
    "events": re.compile(r"CreateArchive|StartReplay|CreateConnection|CreateApiDestination|CreatePartnerEventSource"),
    "logs": re.compile(
        r"PutMetricFilter|PutDestination|PutAccountPolicy|PutDelivery\w+|CreateDelivery"
        r"|CreateLogAnomalyDetector"
    ),
    "cloudwatch": re.compile(r"PutInsightRule|PutManagedInsightRules"),
    "sns": re.compile(r"CreatePlatform\w+|SetSMSAttributes|PutDataProtectionPolicy"),
    "secretsmanager": re.compile(r"RotateSecret|ReplicateSecretToRegions"),
}
#: of Systems Manager the region has its parameters
_PARAMETERS = re.compile(r"\w*Parameters?\w*|\w+TagsTo\w+|\w+TagsFrom\w+|ListTagsForResource")
#: an S3 sub-resource that is put → the operation
_IDLE_S3 = {
    "replication": "PutBucketReplication",
    "website": "PutBucketWebsite",
    "accelerate": "PutBucketAccelerateConfiguration",
    "inventory": "PutBucketInventoryConfiguration",
}
_NOTIFIED = {
    b"CloudFunctionConfiguration": "LambdaFunctionConfigurations",
    b"LambdaFunctionConfiguration": "LambdaFunctionConfigurations",
    b"QueueConfiguration": "QueueConfigurations",
    b"TopicConfiguration": "TopicConfigurations",
}
#: a topic's subscribers that are told. A mail address is kept (the template has one) though no mail leaves here.
_TOLD = frozenset({"sqs", "http", "https", "email", "email-json"})


def refuse_other_region(request: Incoming, ours: str) -> None:
    """Refuse what is signed for another AWS region: its empty lists would say that nothing is there."""
    signed = request.scope.region
    if signed in (None, ours) or request.scope.service in _EVERYWHERE:
        return
    text = (
        f"Credential should be scoped to a valid region: the local region goes by {ours}, not {signed}. "
        f"Set AWS_DEFAULT_REGION={ours} (`sluice env` prints all settings)."
    )
    raise AwsError("InvalidSignatureException", text, 403)


def refuse_idle(backend: str, operation: str, request: Incoming) -> None:
    """``AwsError`` 501 when nothing would act on ``operation`` of moto's ``backend``."""
    service = request.scope.service or backend
    if backend not in SERVED:
        raise not_implemented(service, operation)
    if backend == "s3":
        _refuse_idle_s3(request)
        return
    pattern = _IDLE.get(backend)
    if (pattern and pattern.fullmatch(operation)) or (backend == "ssm" and not _PARAMETERS.fullmatch(operation)):
        raise not_implemented(service, operation)
    if backend == "sns":
        _refuse_untold(operation, request)
    if backend == "logs" and operation == "PutSubscriptionFilter":
        from local_region.stores.subscriptions import refuse_unread  # it imports moto, which must find its settings

        refuse_unread(request.body(_BODY))
    if backend == "logs" and operation in {"FilterLogEvents", "StartQuery"}:
        from local_region.stores import log_reading

        log_reading.refuse_unread(operation, request.body(_BODY))


def _refuse_untold(operation: str, request: Incoming) -> None:
    form = request.form(_BODY)
    if operation == "Subscribe" and form.get("Protocol") not in _TOLD:
        hint = "; subscribe a queue and map it to the function" if form.get("Protocol") == "lambda" else ""
        raise not_implemented("sns", f"Subscribe with the protocol {form.get('Protocol')}{hint}")
    if operation == "Publish" and "PhoneNumber" in form:
        raise not_implemented("sns", "Publish to a PhoneNumber")
    if operation == "Publish" and not form.get("Message"):
        raise AwsError("InvalidParameter", "Invalid parameter: Empty message")


def _refuse_idle_s3(request: Incoming) -> None:
    if request.method != "PUT":
        return
    for name in _IDLE_S3.keys() & request.query.keys():
        raise not_implemented("s3", _IDLE_S3[name])
    if "notification" in request.query:
        body = request.body(_BODY)
        for tag, member in _NOTIFIED.items():
            if re.search(rb"<(\w+:)?" + tag + rb"[\s>]", body):
                text = f"{member} in PutBucketNotificationConfiguration; use EventBridgeConfiguration and rules"
                raise not_implemented("s3", text)
