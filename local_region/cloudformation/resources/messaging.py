"""SQS queues, SNS topics and subscriptions, and their policies."""

# Handlers share one signature; not every one needs all of it. Messages stay on one line.
# ruff: noqa: ARG002, E501

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local_region.cloudformation.resources.base import Env, Handler, only, tag_map, text, undone_by, words
from local_region.cloudformation.scope import Made
from local_region.ports import Json

_QUEUE = words(
    "DelaySeconds MaximumMessageSize MessageRetentionPeriod ReceiveMessageWaitTimeSeconds VisibilityTimeout RedrivePolicy "
    "RedriveAllowPolicy KmsMasterKeyId KmsDataKeyReusePeriodSeconds SqsManagedSseEnabled ContentBasedDeduplication "
    "DeduplicationScope FifoThroughputLimit"
)
#: what a queue has when nothing is said, to go back to when a property is taken out of the template
_QUEUE_DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": "262144",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "VisibilityTimeout": "30",
}


def attribute_text(value: Any) -> str:
    """SQS and SNS attributes are all text."""
    if isinstance(value, dict | list):
        return text(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


class Queue(Handler):
    type = "AWS::SQS::Queue"
    honoured = _QUEUE | words("QueueName FifoQueue Tags")
    replaces = words("QueueName FifoQueue")
    attributes = words("Arn QueueName QueueUrl")
    name_property = "QueueName"

    def create(self, env: Env, properties: Json) -> Made:
        fifo = str(properties.get("FifoQueue", "")).lower() == "true"
        name = properties.get("QueueName") or (env.name(75) + ".fifo" if fifo else env.name(80))
        attributes = {key: attribute_text(value) for key, value in only(properties, _QUEUE).items()}
        if fifo:
            attributes["FifoQueue"] = "true"
        answer = env.call(
            "sqs", "create_queue", QueueName=name, Attributes=attributes, tags=tag_map(properties.get("Tags"))
        )
        url = answer["QueueUrl"]
        return Made(url, {"Arn": env.arn("sqs", name), "QueueName": name, "QueueUrl": url})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        attributes = {}
        for name in _QUEUE:
            if old.get(name) != new.get(name):
                attributes[name] = attribute_text(new[name]) if name in new else _QUEUE_DEFAULTS.get(name, "")
        if attributes:
            env.call("sqs", "set_queue_attributes", QueueUrl=made.physical_id, Attributes=attributes)
        before, after = tag_map(old.get("Tags")), tag_map(new.get("Tags"))
        if gone := sorted(set(before) - set(after)):
            env.call("sqs", "untag_queue", QueueUrl=made.physical_id, TagKeys=gone)
        if after and after != before:
            env.call("sqs", "tag_queue", QueueUrl=made.physical_id, Tags=after)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("sqs", "delete_queue", QueueUrl=made.physical_id)


class QueuePolicy(Handler):
    type = "AWS::SQS::QueuePolicy"
    honoured = required = words("Queues PolicyDocument")
    attributes = words("Id")

    def create(self, env: Env, properties: Json) -> Made:
        self._put(env, properties["Queues"], text(properties["PolicyDocument"]))
        name = env.name()
        return Made(name, {"Id": name})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        self._put(env, [queue for queue in old["Queues"] if queue not in new["Queues"]], "")
        self._put(env, new["Queues"], text(new["PolicyDocument"]))
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        self._put(env, properties["Queues"], "")

    def _put(self, env: Env, queues: list[str], policy: str) -> None:
        for queue in queues:
            env.call("sqs", "set_queue_attributes", QueueUrl=queue, Attributes={"Policy": policy})


class Topic(Handler):
    type = "AWS::SNS::Topic"
    honoured = words("TopicName DisplayName Subscription KmsMasterKeyId FifoTopic ContentBasedDeduplication Tags")
    recorded = words("TracingConfig SignatureVersion DataProtectionPolicy")
    replaces = words("TopicName FifoTopic")
    attributes = words("TopicArn TopicName")
    name_property = "TopicName"
    _settable = words("DisplayName KmsMasterKeyId ContentBasedDeduplication")

    def create(self, env: Env, properties: Json) -> Made:
        fifo = str(properties.get("FifoTopic", "")).lower() == "true"
        name = properties.get("TopicName") or env.name(250) + (".fifo" if fifo else "")
        attributes = {key: attribute_text(value) for key, value in only(properties, self._settable).items()}
        if fifo:
            attributes["FifoTopic"] = "true"
        arn = env.call("sns", "create_topic", Name=name, Attributes=attributes, Tags=properties.get("Tags") or [])[
            "TopicArn"
        ]
        with undone_by(lambda: env.call("sns", "delete_topic", TopicArn=arn)):
            for subscription in properties.get("Subscription") or []:
                env.call("sns", "subscribe", TopicArn=arn, ReturnSubscriptionArn=True, **subscription)
        return Made(arn, {"TopicArn": arn, "TopicName": name})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        for name in self._settable:
            if old.get(name) != new.get(name):
                value = attribute_text(new.get(name, ""))
                env.call(
                    "sns", "set_topic_attributes", TopicArn=made.physical_id, AttributeName=name, AttributeValue=value
                )
        if old.get("Subscription") != new.get("Subscription"):
            wanted = new.get("Subscription") or []
            known = env.call("sns", "list_subscriptions_by_topic", TopicArn=made.physical_id)["Subscriptions"]
            for one in old.get("Subscription") or []:
                for found in known:
                    if one not in wanted and (found["Protocol"], found["Endpoint"]) == (
                        one["Protocol"],
                        one["Endpoint"],
                    ):
                        env.call("sns", "unsubscribe", SubscriptionArn=found["SubscriptionArn"])
            for one in wanted:
                if one not in (old.get("Subscription") or []):
                    env.call("sns", "subscribe", TopicArn=made.physical_id, ReturnSubscriptionArn=True, **one)
        if new.get("Tags") and old.get("Tags") != new.get("Tags"):
            env.call("sns", "tag_resource", ResourceArn=made.physical_id, Tags=new["Tags"])
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("sns", "delete_topic", TopicArn=made.physical_id)


class TopicPolicy(Handler):
    type = "AWS::SNS::TopicPolicy"
    honoured = required = words("Topics PolicyDocument")
    attributes = words("Id")

    def create(self, env: Env, properties: Json) -> Made:
        for topic in properties["Topics"]:
            policy = text(properties["PolicyDocument"])
            env.call("sns", "set_topic_attributes", TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
        return Made(env.name(), {"Id": env.name()})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        self.create(env, new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        """AWS puts the topic's default policy back; the region checks no topic policy, so nothing is left to do."""


class Subscription(Handler):
    type = "AWS::SNS::Subscription"
    _settable = words("FilterPolicy FilterPolicyScope RawMessageDelivery RedrivePolicy DeliveryPolicy")
    honoured = _settable | words("Protocol Endpoint TopicArn")
    recorded = words("Region SubscriptionRoleArn")
    required = words("Protocol TopicArn")
    replaces = words("Protocol Endpoint TopicArn Region")
    attributes = words("Arn")

    def check(self, properties: Json) -> Iterator[str]:
        if properties.get("Protocol") == "lambda":
            yield "Protocol 'lambda' is not supported by the local region: subscribe a queue and map it to the function."

    def create(self, env: Env, properties: Json) -> Made:
        attributes = {key: attribute_text(value) for key, value in only(properties, self._settable).items()}
        answer = env.call(
            "sns",
            "subscribe",
            ReturnSubscriptionArn=True,
            Attributes=attributes,
            **only(properties, "TopicArn Protocol Endpoint"),
        )
        return Made(answer["SubscriptionArn"], {"Arn": answer["SubscriptionArn"]})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        for name in self._settable:
            if old.get(name) != new.get(name):
                env.call(
                    "sns",
                    "set_subscription_attributes",
                    SubscriptionArn=made.physical_id,
                    AttributeName=name,
                    AttributeValue=attribute_text(new.get(name, "")),
                )
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("sns", "unsubscribe", SubscriptionArn=made.physical_id)
