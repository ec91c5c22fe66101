"""``Search``: records by an expression over their properties.

Source: "Search", "SearchExpression", "Filter" in the SageMaker API Reference. A property is named by its path in the
Describe answer (``AlgorithmSpecification.TrainingImage``), or ``Tags.<key>``, ``HyperParameters.<name>``,
``Metrics.<name>`` (the final value). Values are text: numbers and times are compared as such where the property is one.
Where a property is a list, one of its items has to match; ``NestedFilters`` want one item that matches all of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from local_region.ports import AwsRequest, Json
from local_region.sagemaker.records import Record, Table, invalid, model, paged, refuse

#: in one request, over all of its expressions
_MOST_FILTERS = 20
_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": lambda found, wanted: bool(found > wanted),
    "GreaterThanOrEqualTo": lambda found, wanted: bool(found >= wanted),
    "LessThan": lambda found, wanted: bool(found < wanted),
    "LessThanOrEqualTo": lambda found, wanted: bool(found <= wanted),
}
_FREE = ("Tags", "HyperParameters", "Metrics")
_MISSING = object()


class Search:
    """Over the tables that SageMaker's Search knows; ``describe`` gives a record as its Describe does."""

    def __init__(self, kinds: Mapping[str, tuple[Table, Callable[[Record], Json]]]) -> None:
        self._kinds = kinds

    def search(self, request: AwsRequest) -> Json:
        params = request.params
        resource = params["Resource"]
        if resource not in self._kinds:
            raise refuse(f"Resource {resource} in Search (it has {', '.join(sorted(self._kinds))})")
        if params.get("CrossAccountFilterOption", "SameAccount") != "SameAccount":
            raise refuse("CrossAccountFilterOption CrossAccount")
        expression = params.get("SearchExpression") or {}
        if _filters(expression) > _MOST_FILTERS:
            raise invalid(f"A search has at most {_MOST_FILTERS} filters.")
        shape = _shape(resource)
        _check(expression, shape)
        for condition in params.get("VisibilityConditions") or []:
            raise refuse(f"VisibilityConditions ({condition.get('Key')}) in Search")
        table, describe = self._kinds[resource]
        found = [(record, self._document(record, describe)) for record in table.all()]
        kept = [(record, document) for record, document in found if _matches(expression, document)]
        path = params.get("SortBy", "LastModifiedTime")
        _known(path, shape, "SortBy")
        kept.sort(key=lambda pair: pair[0].name)
        kept.sort(
            key=lambda pair: _sortable(next(iter(values(pair[1], path)), None), pair[0]),
            reverse=params.get("SortOrder", "Descending") == "Descending",
        )
        page, token = paged(params, kept)
        return {"Results": [{resource: _cut(document, shape)} for _, document in page], **token}

    def _document(self, record: Record, describe: Callable[[Record], Json]) -> Json:
        document = describe(record)
        with record.lock:
            document["Tags"] = [{"Key": key, "Value": value} for key, value in record.tags.items()]
            document.setdefault("LastModifiedTime", record.modified)
        return document


def _shape(resource: str) -> StructureShape:
    output = model().operation_model("Search").output_shape
    assert isinstance(output, StructureShape)
    results = output.members["Results"]
    assert isinstance(results, ListShape)
    assert isinstance(results.member, StructureShape)
    found = results.member.members[resource]
    assert isinstance(found, StructureShape)
    return found


def _cut(document: Json, shape: StructureShape) -> Json:
    """What a search's answer has of a document."""
    return {name: value for name, value in document.items() if name in shape.members}


def _filters(expression: Json) -> int:
    nested = sum(len(each["Filters"]) for each in expression.get("NestedFilters") or [])
    below = sum(_filters(each) for each in expression.get("SubExpressions") or [])
    return len(expression.get("Filters") or []) + nested + below


def _check(expression: Json, shape: StructureShape) -> None:
    """Every property exists and every filter has what its operator takes; SageMaker refuses the rest, too."""
    for each in expression.get("Filters") or []:
        _known(each["Name"], shape, "Name")
        operator = each.get("Operator", "Equals")
        if operator in ("Exists", "NotExists"):
            if "Value" in each:
                raise invalid(f"Operator {operator} takes no Value ({each['Name']}).")
        elif "Value" not in each:
            raise invalid(f"Operator {operator} takes a Value ({each['Name']}).")
    for nested in expression.get("NestedFilters") or []:
        name = nested["NestedPropertyName"]
        _known(name, shape, "NestedPropertyName")
        for each in nested["Filters"]:
            if not each["Name"].startswith(name + "."):
                raise invalid(f"Filter {each['Name']} must begin with its NestedPropertyName {name}.")
        _check({"Filters": nested["Filters"]}, shape)
    for below in expression.get("SubExpressions") or []:
        _check(below, shape)


def _known(path: str, shape: Shape, where: str) -> None:
    first, *rest = path.split(".", 1)
    if first in _FREE and rest:
        return
    here: Shape | None = shape
    for part in path.split("."):
        while isinstance(here, ListShape):
            here = here.member
        here = here.members.get(part) if isinstance(here, StructureShape) else None
        if here is None:
            raise invalid(f"{where} {path} is no property of {shape.name}.")


def values(document: Any, path: str) -> list[Any]:
    """All that ``path`` names in ``document``; lists are gone through.

    >>> values({"A": [{"B": 1}, {"B": 2}]}, "A.B")
    [1, 2]
    """
    first, _, rest = path.partition(".")
    if isinstance(document, list):
        return [value for item in document for value in values(item, path)]
    if not isinstance(document, Mapping):
        return []
    if rest and first == "Tags":
        return [tag["Value"] for tag in document.get("Tags") or [] if tag["Key"] == rest]
    if rest and first == "Metrics":
        return [m["Value"] for m in document.get("FinalMetricDataList") or [] if m["MetricName"] == rest]
    if rest and first == "HyperParameters":
        given = document.get("HyperParameters") or {}
        return [given[rest]] if rest in given else []
    if first not in document:
        return []
    if not rest:
        found = document[first]
        return found if isinstance(found, list) else [found]
    return values(document[first], rest)


def _matches(expression: Json, document: Json) -> bool:
    results = list(_results(expression, document))
    if not results:
        return True
    return any(results) if expression.get("Operator", "And") == "Or" else all(results)


def _results(expression: Json, document: Json) -> Iterator[bool]:
    for each in expression.get("Filters") or []:
        yield _filter(each, values(document, each["Name"]))
    for nested in expression.get("NestedFilters") or []:
        prefix = nested["NestedPropertyName"] + "."
        items = values(document, nested["NestedPropertyName"])
        yield any(
            all(_filter(each, values(item, each["Name"].removeprefix(prefix))) for each in nested["Filters"])
            for item in items
        )
    for below in expression.get("SubExpressions") or []:
        yield _matches(below, document)


def _filter(each: Json, found: list[Any]) -> bool:
    operator, wanted = each.get("Operator", "Equals"), each.get("Value", "")
    if operator == "Exists":
        return bool(found)
    if operator == "NotExists":
        return not found
    if operator == "NotEquals":  # also what doesn't have the property
        return not any(_equal(value, wanted) for value in found)
    if operator == "Equals":
        return any(_equal(value, wanted) for value in found)
    if operator == "In":
        return any(_equal(value, one.strip()) for value in found for one in wanted.split(","))
    if operator == "Contains":
        return any(wanted in str(value) for value in found)
    return any(_compared(operator, value, wanted) for value in found)


def _typed(value: Any, wanted: str) -> Any:
    """``wanted`` as ``value``'s type, ``_MISSING`` when it is none."""
    try:
        if isinstance(value, bool):
            return {"true": True, "false": False}.get(wanted.lower(), _MISSING)
        if isinstance(value, datetime):
            moment = datetime.fromisoformat(wanted.replace("Z", "+00:00"))
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, (int, float)):
            return float(wanted)
    except ValueError:
        return _MISSING
    return wanted


def _equal(value: Any, wanted: str) -> bool:
    return bool(value == _typed(value, wanted))


def _compared(operator: str, value: Any, wanted: str) -> bool:
    if isinstance(value, str) and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value.strip()):
        value = float(value)  # hyperparameters are text
    typed = _typed(value, wanted)
    return typed is not _MISSING and _ORDERED[operator](value, typed)


def _sortable(value: Any, record: Record) -> tuple[int, Any]:
    """A key that puts what has no value last among the small, and never compares different types."""
    if value is None:
        return (0, record.created.timestamp())
    if isinstance(value, datetime):
        return (1, value.timestamp())
    if isinstance(value, (bool, int, float)):
        return (1, float(value))
    return (2, str(value))
