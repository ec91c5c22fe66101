"""``SimulatePrincipalPolicy``: what a role's policies decide on actions that nobody asks for yet.

Pure. Source: IAM's API reference, SimulatePrincipalPolicy and EvaluationResult; the decision is that of ``policy``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from local_region.identities.policy import Context, Statement, applies, decide
from local_region.ports import AwsError, Json

_WORDS = {"allow": "allowed", "deny": "explicitDeny", "none": "implicitDeny"}
#: they say who asks whom under which other policies; the region's roles have none of those
_REFUSED = (
    "PermissionsBoundaryPolicyInputList",
    "ResourcePolicy",
    "ResourceOwner",
    "CallerArn",
    "ResourceHandlingOption",
)
_PAGE = 100


class Policy(NamedTuple):
    name: str
    statements: Sequence[Statement]


def simulated(policies: Sequence[Policy], params: Mapping[str, Any]) -> Json:
    """The operation's answer for ``params``, a page of it. ``AwsError`` for what isn't simulated here."""
    for name in _REFUSED:
        if name in params:
            raise AwsError("InvalidInput", f"The local region simulates without {name}.", 400)
    everything = [*policies, *_given(params.get("PolicyInputList", []))]
    context = {entry["ContextKeyName"]: _one(entry) for entry in params.get("ContextEntries", [])}
    pairs = [(action, arn) for arn in params.get("ResourceArns") or ["*"] for action in params["ActionNames"]]
    start, size = _start(params.get("Marker"), len(pairs)), params.get("MaxItems", _PAGE)
    page = pairs[start : start + size]
    answer: Json = {
        "EvaluationResults": [_result(everything, action, arn, context) for action, arn in page],
        "IsTruncated": start + size < len(pairs),
    }
    return answer | ({"Marker": str(start + size)} if answer["IsTruncated"] else {})


def _result(policies: Sequence[Policy], action: str, arn: str, context: Context) -> Json:
    decision = decide([each for policy in policies for each in policy.statements], action, arn, context)
    effect = {"allow": "Allow", "deny": "Deny"}.get(decision)
    matched = [
        {"SourcePolicyId": policy.name, "SourcePolicyType": "IAM Policy"}
        for policy in policies
        for each in policy.statements
        if each.get("Effect") == effect and applies(each, action, arn, context)
    ]
    asked = {key for policy in policies for each in policy.statements for key in _keys(each)}
    return {
        "EvalActionName": action,
        "EvalResourceName": arn,
        "EvalDecision": _WORDS[decision],
        "MatchedStatements": matched,
        "MissingContextValues": sorted(asked - context.keys()),
    }


def _keys(statement: Statement) -> list[str]:
    return [key for wanted in statement.get("Condition", {}).values() for key in wanted]


def _given(documents: Sequence[str]) -> list[Policy]:
    found = []
    for number, document in enumerate(documents, 1):
        try:
            statements = json.loads(document)["Statement"]
        except (ValueError, KeyError, TypeError) as error:
            raise AwsError("InvalidInput", f"PolicyInputList.{number} is no policy document ({error}).", 400) from error
        found.append(Policy(f"PolicyInputList.{number}", statements if isinstance(statements, list) else [statements]))
    return found


def _one(entry: Mapping[str, Any]) -> str:
    values = entry.get("ContextKeyValues", [])
    if len(values) != 1:
        raise AwsError("InvalidInput", f"{entry['ContextKeyName']}: the local region takes one value of a key.", 400)
    return str(values[0])


def _start(marker: str | None, count: int) -> int:
    if marker is None:
        return 0
    if not marker.isdigit() or int(marker) >= count:
        raise AwsError("InvalidInput", "The marker is not of this request.", 400)
    return int(marker)
