"""Dead letters: what they are, where they came from, and how they go back there.

Three kinds lie in the stack's dead-letter queues, and each says where it belongs:
a queue's message (the queue whose redrive policy names the DLQ), an event that a rule couldn't deliver (EventBridge
adds the message attribute ``TARGET_ARN``) and an asynchronous call that failed (a Lambda destination's record names the
function and the payload; Lambda's plain DLQ holds only the payload, so the function is the one that names the queue).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sluice.errors import CliError
from sluice.target import Target

_HOLD_SECONDS = 300  # messages that are shown stay hidden that long from others
_MOST = 1000


@dataclass(frozen=True)
class Destination:
    """``kind`` is "queue" (``address`` is its URL) or "function" (its name or ARN)."""

    kind: str
    address: str
    payload: str

    @property
    def title(self) -> str:
        return self.address.rsplit("/", 1)[-1] if self.kind == "queue" else self.address.rsplit(":", 1)[-1]


@dataclass(frozen=True)
class DeadLetter:
    queue_url: str
    receipt: str
    destination: Destination | None
    reason: str
    body: str


def dead_letter_queues(target: Target) -> dict[str, dict[str, str]]:
    """By URL, each dead-letter queue of the stack: ``name``, ``arn``, ``count`` and, of a queue's DLQ, ``source``."""
    sqs = target.client("sqs")
    urls = [item["PhysicalResourceId"] for item in target.resources() if item["ResourceType"] == "AWS::SQS::Queue"]
    attributes = {
        url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in dict.fromkeys(urls)
    }
    sources = {}
    for url, found in attributes.items():
        policy = json.loads(found.get("RedrivePolicy") or "{}")
        if policy.get("deadLetterTargetArn"):
            sources[policy["deadLetterTargetArn"]] = url
    result = {}
    for url, found in attributes.items():
        name, arn = url.rsplit("/", 1)[-1], found["QueueArn"]
        if arn in sources or any(word in name.lower() for word in ("dlq", "dead", "failure", "failed")):
            count = int(found.get("ApproximateNumberOfMessages", 0))
            result[url] = {"name": name, "arn": arn, "count": str(count), "source": sources.get(arn, "")}
    return result


def collect(target: Target, url: str, queue: Mapping[str, str]) -> list[DeadLetter]:
    """Receive what lies in the queue (at most 1,000); it is hidden from others for five minutes."""
    sqs = target.client("sqs")
    owner: str | None = "" if queue["source"] else None  # asked for once, and only if there is a letter
    letters: list[DeadLetter] = []
    while len(letters) < _MOST:
        messages = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=_HOLD_SECONDS,
            WaitTimeSeconds=1,  # without, SQS asks some of its servers only, and may say that there is nothing
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            break
        for message in messages:
            attributes = {
                name: item.get("StringValue", "") for name, item in message.get("MessageAttributes", {}).items()
            }
            owner = _function_of(target, queue["arn"]) if owner is None else owner
            destination, reason = place(message["Body"], attributes, queue["source"], owner)
            letters.append(DeadLetter(url, message["ReceiptHandle"], destination, reason, message["Body"]))
    return letters


def place(body: str, attributes: Mapping[str, str], source_queue: str, owner: str) -> tuple[Destination | None, str]:
    """Where a dead letter belongs (None when it doesn't say) and why it died. Pure."""
    reason = attributes.get("ERROR_MESSAGE") or attributes.get("ErrorMessage") or attributes.get("ERROR_CODE") or ""
    if source_queue:
        return Destination("queue", source_queue, body), reason or "received too often without success"
    if attributes.get("TARGET_ARN", "").split(":")[2:3] == ["lambda"]:
        return Destination("function", attributes["TARGET_ARN"], body), reason or "not delivered"
    try:
        record = json.loads(body)
    except ValueError:
        record = None
    context = record.get("requestContext") if isinstance(record, dict) else None
    if isinstance(context, dict) and context.get("functionArn") and isinstance(record, dict):
        answer = record.get("responsePayload") or {}
        told = answer.get("errorMessage") if isinstance(answer, dict) else None
        return (
            Destination(
                "function", _unqualified(str(context["functionArn"])), json.dumps(record.get("requestPayload"))
            ),
            str(told or context.get("condition") or reason or "failed"),
        )
    if owner:
        return Destination("function", owner, body), reason or "failed"
    return None, reason or "it doesn't say where it came from"


def send_back(target: Target, letter: DeadLetter) -> None:
    """Put one dead letter back where it belongs; only then is it removed from the dead-letter queue."""
    if letter.destination is None:
        raise CliError("This message doesn't say where it belongs.", "Read it with `aws sqs receive-message`.")
    if letter.destination.kind == "queue":
        target.client("sqs").send_message(QueueUrl=letter.destination.address, MessageBody=letter.destination.payload)
    else:
        target.client("lambda").invoke(
            FunctionName=letter.destination.address,
            InvocationType="Event",
            Payload=letter.destination.payload.encode(),
        )
    target.client("sqs").delete_message(QueueUrl=letter.queue_url, ReceiptHandle=letter.receipt)


def release(target: Target, letters: list[DeadLetter]) -> None:
    """Make letters that were only looked at visible again."""
    sqs = target.client("sqs")
    for letter in letters:
        sqs.change_message_visibility(QueueUrl=letter.queue_url, ReceiptHandle=letter.receipt, VisibilityTimeout=0)


def _function_of(target: Target, queue_arn: str) -> str:
    """The one function of the stack whose DeadLetterConfig names the queue, or nothing when it isn't exactly one."""
    from sluice.logbook import functions

    client = target.client("lambda")
    owners = []
    for name in functions(target).values():
        found = client.get_function_configuration(FunctionName=name)
        if found.get("DeadLetterConfig", {}).get("TargetArn") == queue_arn:
            owners.append(name)
    return owners[0] if len(owners) == 1 else ""


def _unqualified(arn: str) -> str:
    """``arn:aws:lambda:region:account:function:name[:version]`` without the version."""
    return ":".join(arn.split(":")[:7])
