"""A function's resource policy: who besides its owner may call it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from local_region.ports import AwsError, Json


def statement(statement_id: str, function_arn: str, properties: Json) -> Json:
    """A policy statement from AddPermission's parameters (CloudFormation's have the same names)."""
    principal = str(properties.get("Principal") or "")
    if not principal:
        raise AwsError("ValidationException", "AddPermission needs a Principal.")
    shown: Any = principal
    if re.fullmatch(r"\d{12}", principal):
        shown = {"AWS": f"arn:aws:iam::{principal}:root"}
    elif principal.startswith("arn:"):
        shown = {"AWS": principal}
    elif principal != "*":
        shown = {"Service": principal}
    result: Json = {
        "Sid": statement_id,
        "Effect": "Allow",
        "Principal": shown,
        "Action": properties.get("Action") or "lambda:InvokeFunction",
        "Resource": function_arn,
    }
    condition: Json = {}
    if properties.get("SourceArn"):
        condition["ArnLike"] = {"AWS:SourceArn": properties["SourceArn"]}
    if properties.get("SourceAccount"):
        condition["StringEquals"] = {"AWS:SourceAccount": properties["SourceAccount"]}
    if condition:
        result["Condition"] = condition
    return result


def permits(statements: Iterable[Json], service: str, source_arn: str, account_id: str) -> bool:
    """Whether ``service`` (``events.amazonaws.com``) may invoke on behalf of ``source_arn``."""
    for entry in statements:
        condition = entry.get("Condition", {})
        pattern = condition.get("ArnLike", {}).get("AWS:SourceArn", "*")
        account = condition.get("StringEquals", {}).get("AWS:SourceAccount", account_id)
        if (
            entry["Principal"] in ("*", {"Service": service})
            and entry["Action"] in ("lambda:InvokeFunction", "lambda:*", "*")
            and fnmatchcase(source_arn, pattern)
            and account == account_id
        ):
            return True
    return False
