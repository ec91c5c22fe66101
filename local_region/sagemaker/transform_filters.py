"""DataProcessing of a transform job: InputFilter, JoinSource and OutputFilter.

"Associate Prediction Results with Input Records" of the SageMaker Developer Guide: the filters are JSONPath with the
operators ``$``, ``.name``, ``*``, ``['name', …]``, ``[n, …]`` (negative ones count from the end) and ``[start:end]``; a
row of CSV is an array. A joined row of CSV is the input's fields and then the answer's; a joined JSON object gets the
answer as ``SageMakerOutput``; any other JSON becomes ``{"SageMakerInput": …, "SageMakerOutput": …}``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Any
_KINDS = {"text/csv": "csv", "application/json": "json", "application/jsonlines": "jsonl"}
_NAME = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)")
_STAR = re.compile(r"\.\*|\.?\[\s*\*\s*\]")
_NAMES = re.compile(r"\.?\[\s*('[^']*'(?:\s*,\s*'[^']*')*)\s*\]")
_NUMBERS = re.compile(r"\.?\[\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]")
_SLICE = re.compile(r"\.?\[\s*(-?\d+)?\s*:\s*(-?\d+)?\s*\]")
_OPERATORS = "$, .name, *, ['name'], [number] and [start:end]"


class BadFilter(ValueError):
    """A path that isn't one of SageMaker's."""


class BadRecord(Exception):
    """A record or an answer can't be filtered or joined; the text says why."""


class Path:
    """A JSONPath. ``apply`` gives one value, or a list of those that it picks.

    >>> Path("$[1:]").apply([1, 2, 3]), Path("$[-1]").apply([1, 2]), Path("$.a['b','c']").apply({"a": {"b": 1, "c": 2}})
    ([2, 3], 2, {'b': 1, 'c': 2})
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps: list[tuple[str, Any]] = []
        if not text.startswith("$"):
            raise BadFilter(f"{text!r} does not begin with $")
        position = 1
        while position < len(text):
            position = self._step(position)

    def _step(self, position: int) -> int:
        if match := _STAR.match(self.text, position):
            self._steps.append(("all", None))
        elif match := _NAME.match(self.text, position):
            self._steps.append(("name", match[1]))
        elif match := _NAMES.match(self.text, position):
            names = re.findall(r"'([^']*)'", match[1])
            self._steps.append(("name", names[0]) if len(names) == 1 else ("names", names))
        elif match := _NUMBERS.match(self.text, position):
            numbers = [int(number) for number in match[1].split(",")]
            self._steps.append(("index", numbers[0]) if len(numbers) == 1 else ("indexes", numbers))
        elif match := _SLICE.match(self.text, position):
            self._steps.append(("slice", slice(*(int(part) if part else None for part in match.groups()))))
        else:
            raise BadFilter(
                f"{self.text!r} is not supported from {self.text[position : position + 20]!r} on: the operators are "
                f"{_OPERATORS}; functions and filter expressions are none"
            )
        return match.end()

    @property
    def whole(self) -> bool:
        return not self._steps

    def apply(self, value: Json) -> Json:
        return self._apply(value, 0)

    def _apply(self, value: Json, at: int) -> Json:
        if at == len(self._steps):
            return value
        kind, what = self._steps[at]
        if kind == "name":
            if not isinstance(value, Mapping) or what not in value:
                raise BadRecord(f"{self.text} finds no {what!r}")
            return self._apply(value[what], at + 1)
        if kind == "names":
            if not isinstance(value, Mapping):
                raise BadRecord(f"{self.text} looks for names in what is no object")
            return {name: self._apply(value[name], at + 1) for name in what if name in value}
        if kind == "all" and isinstance(value, Mapping):
            return [self._apply(item, at + 1) for item in value.values()]
        if not isinstance(value, list):
            raise BadRecord(f"{self.text} looks for elements in what is no array")
        if kind == "index":
            if not -len(value) <= what < len(value):
                raise BadRecord(f"{self.text} looks for element {what} of {len(value)}")
            return self._apply(value[what], at + 1)
        picked = value if kind == "all" else value[what] if kind == "slice" else _picked(value, what)
        return [self._apply(item, at + 1) for item in picked]


def _picked(value: Sequence[Json], numbers: Sequence[int]) -> list[Json]:
    return [value[number] for number in numbers if -len(value) <= number < len(value)]


@dataclass(frozen=True)
class Processing:
    """What happens to records before they are posted and to answers before they are written."""

    input: Path
    output: Path
    join: bool
    kind: str  # csv | json | jsonl

    def prepare(self, record: bytes) -> bytes:
        """What is posted of a record, with a line end."""
        if self.input.whole:
            return record if record.endswith(b"\n") or self.kind == "json" else record + b"\n"
        return self._written(self.input.apply(self._read(record, "the record")))

    def finish(self, records: Sequence[bytes], answer: bytes) -> bytes:
        """What is written of the answer to ``records``."""
        answers = [answer] if self.kind == "json" and len(records) == 1 else _lines(answer)
        if self.join and len(answers) != len(records):
            raise BadRecord(f"{len(records)} records were sent and {len(answers)} answers came: they can't be joined")
        if not self.join:
            return b"".join(self._filtered(self._read(line, "the answer")) for line in answers)
        pairs = zip(records, answers, strict=True)
        return b"".join(self._filtered(self._joined(record, line)) for record, line in pairs)

    def _joined(self, record: bytes, answer: bytes) -> Json:
        before, after = self._read(record, "the record"), self._read(answer, "the answer")
        if self.kind == "csv":
            return [*before, *after]
        if isinstance(before, dict):
            return {**before, "SageMakerOutput": after}
        return {"SageMakerInput": before, "SageMakerOutput": after}

    def _filtered(self, value: Json) -> bytes:
        return self._written(self.output.apply(value))

    def _read(self, text: bytes, what: str) -> Json:
        try:
            if self.kind != "csv":
                return json.loads(text)
            rows = list(csv.reader(io.StringIO(text.decode("utf-8"), newline="")))
        except (ValueError, csv.Error) as error:
            raise BadRecord(f"{what} is not {self.kind}: {error}") from None
        return rows[0] if rows else []

    def _written(self, value: Json) -> bytes:
        if self.kind != "csv":
            return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(value if isinstance(value, list) else [value])
        return text.getvalue().encode()


def _lines(answer: bytes) -> list[bytes]:
    return [line for line in answer.split(b"\n") if line.strip()]


def processing_of(request: Mapping[str, Any]) -> Processing | None:
    """What CreateTransformJob's DataProcessing asks for, None when it changes nothing. ``BadFilter`` says what is wrong
    with it."""
    given = request.get("DataProcessing") or {}
    paths = []
    for member in ("InputFilter", "OutputFilter"):
        try:
            paths.append(Path(given.get(member, "$")))
        except BadFilter as error:
            raise BadFilter(f"DataProcessing.{member} {error}") from None
    join = given.get("JoinSource", "None") == "Input"
    if paths[0].whole and paths[1].whole and not join:
        return None
    source, target = request["TransformInput"], request["TransformOutput"]
    types = [source.get("ContentType", ""), target.get("Accept") or source.get("ContentType", "")]
    kinds = [_KINDS.get(text.split(";", 1)[0].strip().lower()) for text in types]
    if kinds[0] is None:
        raise BadFilter(f"DataProcessing needs a ContentType of {', '.join(_KINDS)}, not {types[0] or 'none'}")
    alike = kinds[0] == kinds[1] or {kinds[0], kinds[1]} == {"json", "jsonl"}
    if not alike and (join or not paths[1].whole):
        raise BadFilter(f"DataProcessing needs answers like the input: ContentType {types[0]}, Accept {types[1]}")
    split = source.get("SplitType", "None")
    if split == "None" and kinds[0] != "json":
        raise BadFilter("DataProcessing of rows needs SplitType Line, which says where a row ends")
    if split not in ("None", "Line"):
        raise BadFilter(f"DataProcessing can't be used with SplitType {split}")
    if request.get("MaxPayloadInMB") == 0:
        raise BadFilter("DataProcessing can't be used with MaxPayloadInMB 0")
    kind = "json" if split == "None" else "jsonl" if kinds[0] == "json" else str(kinds[0])
    return Processing(paths[0], paths[1], join, kind)
