"""What DynamoDB refuses of values, keys and expressions, and moto takes or fails on. In DynamoDB's words.

Sources: "Naming rules and data types", "Expressions" and "TransactWriteItems" of the Amazon DynamoDB Developer Guide
and API Reference. Pure: what a table's keys are is asked of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from local_region.ports import AwsError, Json

_EXPRESSIONS = (
    "UpdateExpression",
    "ConditionExpression",
    "KeyConditionExpression",
    "FilterExpression",
    "ProjectionExpression",
)
_PLACEHOLDER = re.compile(r"[#:]\w+")
#: an attribute at the beginning of a path: no function's name, no part behind a dot
_ATTRIBUTE = re.compile(r"(?<![\w.#:])(#?[A-Za-z_]\w*)\b(?!\s*\()")
_KEYWORDS = frozenset({"and", "or", "not", "between", "in"})
_COMPARED = re.compile(
    r"(?P<name>#?\w+)\s*(?:=|<=?|>=?)\s*(?P<value>:\w+)"
    r"|(?P<low_name>#?\w+)\s+between\s+(?P<low>:\w+)\s+and\s+(?P<high>:\w+)"
    r"|begins_with\s*\(\s*(?P<start_name>#?\w+)\s*,\s*(?P<start>:\w+)",
    re.IGNORECASE,
)
_NOT_OF_KEYS = re.compile(r"\b(or|not|in)\b|(<>)|\b(contains|size|attribute_\w+)\s*\(", re.IGNORECASE)
_SETS = ("SS", "NS", "BS")
#: significant digits of a number, and the exponents of the largest and of the smallest
_DIGITS, _LARGEST, _SMALLEST = 38, 125, -130
_TABLE_NAME = (3, 255)


@dataclass(frozen=True)
class KeySchema:
    """The key attributes of a table and of its indexes, the types of all of them ("S", "N", "B")."""

    keys: tuple[str, ...]
    indexes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)


Tables = Callable[[str], "KeySchema | None"]
#: (the kind of expression, itself, names, values): raises ``ValueError`` for one that can't be read
Parse = Callable[[str, Mapping[str, str], Mapping[str, Any]], None]


def refuse(operation: str, params: Json, tables: Tables, parse: Parse) -> None:
    """``AwsError`` ValidationException for what is wrong with a request whose members are all of their types."""
    if operation == "CreateTable":
        low, high = _TABLE_NAME
        if not low <= len(params["TableName"]) <= high:
            raise _invalid(f"TableName must be at least {low} characters long and at most {high} characters long")
    for kind, part in _parts(operation, params):
        for value in _values(part):
            _check_value(value)
        _expressions(part, parse)
        # Within a transaction such mistakes are reasons for its cancellation, which moto gives.
        schema = None if operation.startswith("Transact") else tables(str(part.get("TableName")))
        if schema is not None:
            _keys(kind, part, schema)
            if kind == "Query":
                _query(part, schema)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def _parts(operation: str, params: Json) -> Iterator[tuple[str, Json]]:
    """The single reads and writes of a request: what each does, and its members."""
    if operation in {"PutItem", "UpdateItem", "DeleteItem", "GetItem", "Query", "Scan"}:
        yield operation.removesuffix("Item"), params
    elif operation in {"TransactWriteItems", "TransactGetItems"}:
        for item in params["TransactItems"]:
            yield from item.items()
    elif operation == "BatchWriteItem":
        for table, requests in params["RequestItems"].items():
            for request in requests:
                for kind, part in request.items():
                    yield kind.removesuffix("Request"), {"TableName": table, **part}
    elif operation == "BatchGetItem":
        for table, asked in params["RequestItems"].items():
            shared = {name: value for name, value in asked.items() if name != "Keys"}
            for number, key in enumerate(asked["Keys"]):
                # What all keys share is looked at once.
                yield "Get", {"TableName": table, "Key": key, **({} if number else shared)}


def _values(part: Json) -> Iterator[Any]:
    for member in ("Item", "Key", "ExclusiveStartKey", "ExpressionAttributeValues"):
        yield from (part.get(member) or {}).values()


def _check_value(value: Json) -> None:
    if len(value) != 1:
        found = "is empty" if not value else "has more than one datatypes set"
        raise _invalid(f"Supplied AttributeValue {found}, must contain exactly one of the supported datatypes")
    ((kind, content),) = value.items()
    if kind == "N":
        _check_number(content)
    elif kind == "L":
        for item in content:
            _check_value(item)
    elif kind == "M":
        for item in content.values():
            _check_value(item)
    elif kind in _SETS:
        if kind == "NS":
            for item in content:
                _check_number(item)
        distinct = {Decimal(item) for item in content} if kind == "NS" else set(content)
        if len(distinct) != len(content):
            shown = ", ".join(str(item) for item in content)
            text = f"One or more parameter values were invalid: Input collection [{shown}] contains duplicates."
            raise _invalid(text)


def _check_number(text: str) -> None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _invalid(f"The parameter cannot be converted to a numeric value: {text}") from None
    if not number.is_finite():
        raise _invalid(f"The parameter cannot be converted to a numeric value: {text}")
    if number == 0:
        return
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if len(digits) > _DIGITS:
        raise _invalid(f"Attempting to store more than {_DIGITS} significant digits in a Number")
    if number.adjusted() > _LARGEST:
        raise _invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if number.adjusted() < _SMALLEST:
        raise _invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")


def _expressions(part: Json, parse: Parse) -> None:
    given = {kind: part[kind] for kind in _EXPRESSIONS if part.get(kind) is not None}
    names, values = part.get("ExpressionAttributeNames"), part.get("ExpressionAttributeValues")
    for member, content in (("ExpressionAttributeNames", names), ("ExpressionAttributeValues", values)):
        if content is None:
            continue
        if not given:
            raise _invalid(f"{member} can only be specified when using expressions")
        if not content:
            raise _invalid(f"{member} must not be empty")
    used: set[str] = set()
    for kind, expression in given.items():
        if not expression.strip():
            raise _invalid(f"Invalid {kind}: The expression can not be empty;")
        used |= (found := set(_PLACEHOLDER.findall(expression)))
        _defined(kind, found, names or {}, values or {})
        if kind in {"ConditionExpression", "FilterExpression"}:
            try:
                parse(expression, names or {}, values or {})
            except ValueError:
                raise _invalid(f"Invalid {kind}: Syntax error; near: {expression!r}") from None
    for member, content in (("ExpressionAttributeNames", names), ("ExpressionAttributeValues", values)):
        unused = [key for key in content or {} if key not in used]
        if unused:
            keys = ", ".join(unused)
            raise _invalid(f"Value provided in {member} unused in expressions: keys: {{{keys}}}")


def _defined(kind: str, found: Iterable[str], names: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    for placeholder in sorted(found):
        if placeholder[0] == "#" and placeholder not in names:
            text = "An expression attribute name used in the document path is not defined; attribute name:"
            raise _invalid(f"Invalid {kind}: {text} {placeholder}")
        if placeholder[0] == ":" and placeholder not in values:
            text = "An expression attribute value used in expression is not defined; attribute value:"
            raise _invalid(f"Invalid {kind}: {text} {placeholder}")


def _keys(kind: str, part: Json, schema: KeySchema) -> None:
    if kind in {"Get", "Update", "Delete"}:
        key = part.get("Key") or {}
        right = set(key) == set(schema.keys)
        if not right or any(schema.types[name] not in value for name, value in key.items()):
            raise _invalid("The provided key element does not match the schema")
    if kind == "Put":
        item = part.get("Item") or {}
        for index, attributes in schema.indexes.items():
            for name in attributes:
                if name in item and name not in schema.keys and schema.types[name] not in item[name]:
                    found = next(iter(item[name]))
                    text = f"Type mismatch for Index Key {name} Expected: {schema.types[name]} Actual: {found}"
                    raise _invalid(f"One or more parameter values were invalid: {text} IndexName: {index}")


def _query(part: Json, schema: KeySchema) -> None:
    names, values = part.get("ExpressionAttributeNames") or {}, part.get("ExpressionAttributeValues") or {}
    condition, filtered = part.get("KeyConditionExpression") or "", part.get("FilterExpression") or ""
    wrong = _NOT_OF_KEYS.search(condition)
    if wrong is not None:
        operator = next(group for group in wrong.groups() if group)
        raise _invalid(f"Invalid operator used in KeyConditionExpression: {operator}")
    for found in _COMPARED.finditer(condition):
        groups = found.groupdict()
        name = str(groups["name"] or groups["low_name"] or groups["start_name"])
        kind = schema.types.get(names.get(name, name))
        compared = [values[groups[which]] for which in ("value", "low", "high", "start") if groups[which]]
        if kind is not None and any(kind not in value for value in compared):
            text = "Condition parameter type does not match schema type"
            raise _invalid(f"One or more parameter values were invalid: {text}")
    keys = schema.indexes.get(part.get("IndexName") or "", schema.keys)
    for word in _ATTRIBUTE.findall(filtered):
        name = names.get(word, word)
        if name in keys and word.lower() not in _KEYWORDS:
            text = "Filter Expression can only contain non-primary key attributes: Primary key attribute:"
            raise _invalid(f"{text} {name}")
