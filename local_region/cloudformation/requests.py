"""From a request's parameters to a checked ``Definition``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.exceptions import ClientError

from local_region.cloudformation import sam
from local_region.cloudformation.errors import TemplateError, validation_error
from local_region.cloudformation.loading import load
from local_region.cloudformation.parameters import Parameter, bind
from local_region.cloudformation.stacks import Definition, Stack
from local_region.cloudformation.template import MAXIMUM_BODY, SAM, check_sections, parse, transforms
from local_region.ports import Json, Region

#: AWS's quota for TemplateBody; a longer template is given by TemplateURL
MAXIMUM_INLINE = 51_200
_REFUSED = (
    "EnableTerminationProtection",
    "StackPolicyBody",
    "StackPolicyURL",
    "StackPolicyDuringUpdateBody",
    "StackPolicyDuringUpdateURL",
    "ResourceTypes",
    "ResourcesToImport",
    "ImportExistingResources",
    "NotificationARNs",
    "RetainExceptOnCreate",
)


_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")


class TransformFailure(TemplateError):
    """A transform said no: a change set becomes FAILED with this, CreateStack and UpdateStack raise it."""


def check_name(name: str) -> None:
    """``ValidationError`` for what no stack may be called. botocore's model doesn't say it."""
    if not _NAME.fullmatch(name):
        raise validation_error(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )


def refuse_unsupported(params: Json) -> None:
    """``ValidationError`` naming the request's member that the region has no meaning for."""
    for name in _REFUSED:
        if params.get(name):
            raise validation_error(f"{name} is not supported by the local region.")
    if (params.get("RollbackConfiguration") or {}).get("RollbackTriggers"):
        raise validation_error("RollbackConfiguration.RollbackTriggers is not supported by the local region.")


def template_text(region: Region, params: Json, stack: Stack | None) -> str:
    """The template's text from TemplateBody, TemplateURL (the region's S3) or the previous template."""
    if params.get("UsePreviousTemplate"):
        if stack is None or stack.definition is None:
            raise validation_error("UsePreviousTemplate: the stack has no template yet.")
        return stack.definition.text
    body, url = params.get("TemplateBody"), params.get("TemplateURL")
    if body and url:
        raise validation_error("Specify either TemplateBody or TemplateURL, not both.")
    if body:
        if len(str(body).encode()) > MAXIMUM_INLINE:
            raise validation_error(
                "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MAXIMUM_INLINE}"
            )
        return str(body)
    if url:
        return _fetch(region, str(url))
    raise validation_error("Either Template URL or Template Body must be specified.")


def _fetch(region: Region, url: str) -> str:
    parts = urlsplit(url)
    host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
    if host.endswith(".amazonaws.com") and not host.startswith("s3"):
        bucket, key = host.split(".s3", 1)[0], path
    else:
        bucket, _, key = path.partition("/")
    if not bucket or not key:
        raise validation_error("TemplateURL must be a supported URL.")
    version = parse_qs(parts.query).get("versionId")
    try:
        extra = {"VersionId": version[0]} if version else {}
        answer = region.client("s3").get_object(Bucket=bucket, Key=key, **extra)
    except ClientError as error:
        raise validation_error(f"S3 error: {error.response['Error'].get('Message')}") from error
    data: bytes = answer["Body"].read(MAXIMUM_BODY + 1)
    if len(data) > MAXIMUM_BODY:
        raise validation_error(f"Template may not exceed {MAXIMUM_BODY} bytes in size.")
    return data.decode()


def read_parameter(region: Region, name: str) -> str:
    """An SSM parameter's value, for ``AWS::SSM::Parameter::Value<…>``."""
    try:
        return str(region.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    except ClientError as error:
        raise TemplateError(f"Unable to fetch parameters [{name}] from parameter store for this account.") from error


def definition(region: Region, params: Json, stack: Stack | None) -> Definition:
    """Load, bind, transform and check what ``params`` asks for. ``TemplateError`` when it can't be deployed."""
    if stack is None:
        check_name(params["StackName"])
    text = template_text(region, params, stack)
    raw = load(text)
    check_sections(raw)
    previous: Mapping[str, Parameter] = stack.definition.parameters if stack and stack.definition else {}
    given = params.get("Parameters") or []
    values = bind(raw.get("Parameters") or {}, given, previous, lambda name: read_parameter(region, name))
    processed = raw
    if SAM in transforms(raw):
        try:
            processed = sam.transform(
                raw, {name: _plain(value.value) for name, value in values.items()}, region.config.region_name
            )
        except TemplateError as error:
            raise TransformFailure(str(error)) from error
    tags = params.get("Tags")
    if tags is None and stack is not None and stack.definition is not None:
        kept = stack.definition.tags
    else:
        kept = tuple((str(tag["Key"]), str(tag["Value"])) for tag in tags or [])
    return Definition(
        text, raw, parse(processed), values, tuple(params.get("Capabilities") or ()), kept, params.get("RoleARN")
    )


def _plain(value: Any) -> Any:
    return ",".join(value) if isinstance(value, list) else value
