"""IAM's decision for one request: an explicit deny wins, then an allow, otherwise no.

Pure. Follows the evaluation logic of the IAM user guide ("Policy evaluation logic") for identity-based policies:
``Action``/``NotAction``, ``Resource``/``NotResource`` with ``*`` and ``?``, and the condition operators that
policies of this application's kind use. A condition operator that isn't known makes an Allow not apply and a Deny
apply, so that a mistake of ours never grants more than AWS would.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

Decision = Literal["allow", "deny", "none"]
Statement = Mapping[str, Any]
Context = Mapping[str, str]


def decide(statements: Iterable[Statement], action: str, resource: str, context: Context) -> Decision:
    """``allow``, ``deny`` (explicit) or ``none`` (nothing allows it).

    >>> decide([{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}],
    ...        "s3:GetObject", "arn:aws:s3:::b/k", {})
    'allow'
    """
    effects = {statement.get("Effect") for statement in statements if applies(statement, action, resource, context)}
    return "deny" if "Deny" in effects else "allow" if "Allow" in effects else "none"


def applies(statement: Statement, action: str, resource: str, context: Context) -> bool:
    """Whether the statement has a say: it names both, and its condition is met (a Deny's: isn't known to be unmet)."""
    if not _names(statement, action, resource):
        return False
    met = _condition_met(statement.get("Condition", {}), context)
    return met is not False if statement.get("Effect") == "Deny" else bool(met)


def _names(statement: Statement, action: str, resource: str) -> bool:
    if "Action" in statement:
        named = any(matches(p.lower(), action.lower()) for p in _listed(statement["Action"]))
    else:
        named = not any(matches(p.lower(), action.lower()) for p in _listed(statement.get("NotAction", "*")))
    if not named:
        return False
    if "Resource" in statement:
        return any(matches(p, resource) for p in _listed(statement["Resource"]))
    return not any(matches(p, resource) for p in _listed(statement.get("NotResource", "*")))


def _condition_met(condition: Mapping[str, Any], context: Context) -> bool | None:
    """True or False; None when an operator is not known (the caller decides on the safe side)."""
    result: bool | None = True
    for operator, wanted in condition.items():
        for key, values in wanted.items():
            met = _operator_met(operator, context.get(key), [str(v) for v in _listed(values)])
            if met is False:
                return False
            if met is None:
                result = None
    return result


def _operator_met(operator: str, given: str | None, values: list[str]) -> bool | None:
    if operator.startswith("ForAllValues:"):
        # of a key with one value the same as without the prefix; AWS lets a request without it pass, we don't know it
        return None if given is None else _operator_met(operator.removeprefix("ForAllValues:"), given, values)
    name, optional = operator.removesuffix("IfExists"), operator.endswith("IfExists")
    if name == "Null":
        return (given is None) == (values[0].lower() == "true")
    if given is None:
        return optional or name.startswith(("StringNot", "ArnNot"))
    if name in ("StringEquals", "ArnEquals"):
        return any(matches(v, given) if name == "ArnEquals" else v == given for v in values)
    if name in ("StringLike", "ArnLike"):
        return any(matches(v, given) for v in values)
    if name == "StringEqualsIgnoreCase":
        return any(v.lower() == given.lower() for v in values)
    if name == "StringNotEquals":
        return all(v != given for v in values)
    if name in ("StringNotLike", "ArnNotLike", "ArnNotEquals"):
        return not any(matches(v, given) for v in values)
    if name == "Bool":
        return any(v.lower() == given.lower() for v in values)
    return None


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern), re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """IAM's wildcards: ``*`` is any text, ``?`` one character; there are no other special characters."""
    return _pattern(pattern).fullmatch(text) is not None
