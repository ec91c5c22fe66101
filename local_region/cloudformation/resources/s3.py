"""S3 buckets and their policies."""

# Handlers share one signature; not every one needs all of it. Messages stay on one line.
# ruff: noqa: ARG002, E501

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from local_region.cloudformation.resources.base import Env, Handler, only, text, undone_by, unsupported, words
from local_region.cloudformation.scope import Made
from local_region.ports import Json

_RULE = (
    "Id Status Prefix TagFilters ObjectSizeGreaterThan ObjectSizeLessThan ExpirationInDays ExpirationDate "
    "ExpiredObjectDeleteMarker AbortIncompleteMultipartUpload Transitions NoncurrentVersionExpiration "
    "NoncurrentVersionExpirationInDays"
)


class Bucket(Handler):
    type = "AWS::S3::Bucket"
    honoured = words(
        "BucketName BucketEncryption PublicAccessBlockConfiguration NotificationConfiguration LifecycleConfiguration "
        "VersioningConfiguration CorsConfiguration OwnershipControls Tags"
    )
    recorded = words("AccessControl LoggingConfiguration MetricsConfigurations")
    replaces = words("BucketName")
    attributes = words("Arn DomainName RegionalDomainName DualStackDomainName WebsiteURL")
    name_property = "BucketName"

    def check(self, properties: Json) -> Iterator[str]:
        notification = properties.get("NotificationConfiguration")
        if isinstance(notification, dict):
            for name in sorted(set(notification) - {"EventBridgeConfiguration"}):
                yield f"NotificationConfiguration.{name} is not supported by the local region: use EventBridgeConfiguration and rules."
        lifecycle = properties.get("LifecycleConfiguration")
        for index, rule in enumerate(lifecycle.get("Rules", []) if isinstance(lifecycle, dict) else []):
            yield from unsupported(f"LifecycleConfiguration.Rules[{index}]", rule, _RULE)

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("BucketName") or env.name(63, lower=True)
        place = env.region.config.region_name
        extra = {} if place == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": place}}
        env.call("s3", "create_bucket", Bucket=name, **extra)
        with undone_by(lambda: env.call("s3", "delete_bucket", Bucket=name)):
            self._apply(env, name, {}, properties)
        return Made(
            name,
            {
                "Arn": f"arn:{env.region.config.partition}:s3:::{name}",
                "DomainName": f"{name}.s3.amazonaws.com",
                "RegionalDomainName": f"{name}.s3.{place}.amazonaws.com",
                "DualStackDomainName": f"{name}.s3.dualstack.{place}.amazonaws.com",
                "WebsiteURL": f"http://{name}.s3-website-{place}.amazonaws.com",
            },
        )

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        self._apply(env, made.physical_id, old, new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("s3", "delete_bucket", Bucket=made.physical_id)

    def _apply(self, env: Env, bucket: str, old: Json, new: Json) -> None:
        def changed(name: str) -> bool:
            return bool(old.get(name) != new.get(name))

        def put(method: str, **params: Any) -> None:
            env.call("s3", method, Bucket=bucket, **params)

        if changed("BucketEncryption"):
            if "BucketEncryption" in new:
                put("put_bucket_encryption", ServerSideEncryptionConfiguration=_encryption(new["BucketEncryption"]))
            else:
                put("delete_bucket_encryption")
        if changed("PublicAccessBlockConfiguration"):
            if "PublicAccessBlockConfiguration" in new:
                put("put_public_access_block", PublicAccessBlockConfiguration=new["PublicAccessBlockConfiguration"])
            else:
                put("delete_public_access_block")
        if changed("OwnershipControls"):
            if "OwnershipControls" in new:
                put("put_bucket_ownership_controls", OwnershipControls=new["OwnershipControls"])
            else:
                put("delete_bucket_ownership_controls")
        if changed("VersioningConfiguration"):
            status = new.get("VersioningConfiguration", {}).get("Status", "Suspended")
            put("put_bucket_versioning", VersioningConfiguration={"Status": status})
        if changed("LifecycleConfiguration"):
            if "LifecycleConfiguration" in new:
                put(
                    "put_bucket_lifecycle_configuration",
                    LifecycleConfiguration=_lifecycle(new["LifecycleConfiguration"]),
                )
            else:
                put("delete_bucket_lifecycle")
        if changed("CorsConfiguration"):
            if "CorsConfiguration" in new:
                put("put_bucket_cors", CORSConfiguration=_cors(new["CorsConfiguration"]))
            else:
                put("delete_bucket_cors")
        if changed("Tags"):
            if new.get("Tags"):
                put("put_bucket_tagging", Tagging={"TagSet": new["Tags"]})
            else:
                put("delete_bucket_tagging")
        if changed("NotificationConfiguration"):
            put("put_bucket_notification_configuration", NotificationConfiguration=_notification(new))


def _notification(properties: Json) -> Json:
    bridge = properties.get("NotificationConfiguration", {}).get("EventBridgeConfiguration")
    enabled = bridge is not None and str(bridge.get("EventBridgeEnabled", "true")).lower() == "true"
    return {"EventBridgeConfiguration": {}} if enabled else {}


def _encryption(given: Json) -> Json:
    rules = []
    for rule in given.get("ServerSideEncryptionConfiguration", []):
        converted = only(rule, "BucketKeyEnabled")
        if "ServerSideEncryptionByDefault" in rule:
            converted["ApplyServerSideEncryptionByDefault"] = rule["ServerSideEncryptionByDefault"]
        rules.append(converted)
    return {"Rules": rules}


def _cors(given: Json) -> Json:
    renamed = {"Id": "ID", "MaxAge": "MaxAgeSeconds", "ExposedHeaders": "ExposeHeaders"}
    return {"CORSRules": [{renamed.get(key, key): value for key, value in rule.items()} for rule in given["CorsRules"]]}


def _lifecycle(given: Json) -> Json:
    return {"Rules": [_lifecycle_rule(rule) for rule in given["Rules"]]}


def _lifecycle_rule(rule: Json) -> Json:
    answer: Json = {"Status": rule["Status"], "Filter": _filter(rule)}
    if "Id" in rule:
        answer["ID"] = rule["Id"]
    expiration: Json = {}
    for theirs, ours in (("ExpirationInDays", "Days"), ("ExpirationDate", "Date"), ("ExpiredObjectDeleteMarker",) * 2):
        if theirs in rule:
            expiration[ours] = rule[theirs]
    if expiration:
        answer["Expiration"] = expiration
    if "AbortIncompleteMultipartUpload" in rule:
        answer["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    if "NoncurrentVersionExpiration" in rule:
        answer["NoncurrentVersionExpiration"] = rule["NoncurrentVersionExpiration"]
    elif "NoncurrentVersionExpirationInDays" in rule:
        answer["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    if "Transitions" in rule:
        renamed = {"TransitionInDays": "Days", "TransitionDate": "Date"}
        answer["Transitions"] = [
            {renamed.get(key, key): value for key, value in one.items()} for one in rule["Transitions"]
        ]
    return answer


def _filter(rule: Json) -> Json:
    parts = only(rule, "Prefix ObjectSizeGreaterThan ObjectSizeLessThan")
    tags = rule.get("TagFilters") or []
    if len(parts) + len(tags) > 1:
        return {"And": {**parts, **({"Tags": tags} if tags else {})}}
    if tags:
        return {"Tag": tags[0]}
    return parts or {"Prefix": ""}


class BucketPolicy(Handler):
    type = "AWS::S3::BucketPolicy"
    honoured = required = words("Bucket PolicyDocument")
    replaces = words("Bucket")

    def create(self, env: Env, properties: Json) -> Made:
        env.call("s3", "put_bucket_policy", Bucket=properties["Bucket"], Policy=text(properties["PolicyDocument"]))
        return Made(properties["Bucket"])

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        return self.create(env, new)

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.call("s3", "delete_bucket_policy", Bucket=made.physical_id)
