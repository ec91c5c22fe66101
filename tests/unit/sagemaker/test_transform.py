"""Splitting, filtering and joining of transform jobs, by SageMaker's documented rules."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_region.ports import AwsError
from local_region.sagemaker.transform import _check
from local_region.sagemaker.transform_filters import BadFilter, BadRecord, Path, Processing, processing_of
from local_region.sagemaker.transform_instance import used
from local_region.sagemaker.transform_split import NotRecordIO, TooLarge, groups, payloads, records

ROW = ["a", "b", "c", "d"]
OBJECT = {"id": 7, "features": [1, 2, 3], "nested": {"x": 1, "y": [5, 6]}}


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("$", ROW, ROW),
        ("$[0]", ROW, "a"),
        ("$[-1]", ROW, "d"),
        ("$[1:]", ROW, ["b", "c", "d"]),
        ("$[0:2]", ROW, ["a", "b"]),
        ("$[:2]", ROW, ["a", "b"]),
        ("$[-2:]", ROW, ["c", "d"]),
        ("$[0,-1]", ROW, ["a", "d"]),
        ("$[0, 9]", ROW, ["a"]),
        ("$[*]", ROW, ROW),
        ("$.features", OBJECT, [1, 2, 3]),
        ("$.features[1:]", OBJECT, [2, 3]),
        ("$['id']", OBJECT, 7),
        ("$.['id','features']", OBJECT, {"id": 7, "features": [1, 2, 3]}),
        ("$['id','nested']", OBJECT, {"id": 7, "nested": {"x": 1, "y": [5, 6]}}),
        ("$.nested.y[0]", OBJECT, 5),
        ("$.nested.*", OBJECT, [1, [5, 6]]),
    ],
)
def test_the_documented_operators(path: str, value: Any, found: Any) -> None:
    assert Path(path).apply(value) == found


@pytest.mark.parametrize(
    "path", ["", "id", "$..id", "$[?(@.id > 3)]", "$.features.length()", "$[1", "$['a']x", "$[::2]"]
)
def test_other_paths_are_refused_with_those_that_there_are(path: str) -> None:
    with pytest.raises(BadFilter, match=r"\$"):
        Path(path)


@pytest.mark.parametrize(
    ("path", "value"), [("$.none", OBJECT), ("$[9]", ROW), ("$.id", ROW), ("$[0]", OBJECT), ("$['a','b']", ROW)]
)
def test_what_a_path_does_not_find_is_said(path: str, value: Any) -> None:
    with pytest.raises(BadRecord, match=r"\$"):
        Path(path).apply(value)


def processing(kind: str, source: str = "$", target: str = "$", join: bool = True) -> Processing:
    return Processing(Path(source), Path(target), join, kind)


def test_a_joined_row_of_csv_is_the_input_and_then_the_answer() -> None:
    rows = [b'1,"x, y",3\n', b"4,z,6\n"]
    assert processing("csv").finish(rows, b"0.1\n0.2\n") == b'1,"x, y",3,0.1\n4,z,6,0.2\n'
    assert processing("csv", target="$[0,-1]").finish(rows, b"0.1\n0.2\n") == b"1,0.1\n4,0.2\n"
    assert processing("csv", source="$[1:]").prepare(rows[0]) == b'"x, y",3\n'
    assert processing("csv", target="$[0]", join=False).finish(rows, b"0.1,9\n0.2,8\n") == b"0.1\n0.2\n"


def test_a_joined_object_gets_the_answer_and_other_json_is_wrapped() -> None:
    found = processing("jsonl").finish([b'{"id":7}\n', b"[1,2]\n"], b'{"score":1}\n0.5\n').splitlines()
    assert [json.loads(line) for line in found] == [
        {"id": 7, "SageMakerOutput": {"score": 1}},
        {"SageMakerInput": [1, 2], "SageMakerOutput": 0.5},
    ]
    found_one = processing("jsonl", target="$['id','SageMakerOutput']").finish([b'{"id":7,"x":1}'], b"[0.5]")
    assert json.loads(found_one) == {"id": 7, "SageMakerOutput": [0.5]}
    assert processing("jsonl", target="$.SageMakerOutput").finish([b'{"id":7}'], b"0.5\n") == b"0.5\n"


def test_answers_that_are_fewer_than_the_records_are_not_joined() -> None:
    with pytest.raises(BadRecord, match="2 records were sent and 1 answers came"):
        processing("csv").finish([b"1\n", b"2\n"], b"0.1\n")


def request(**more: Any) -> dict[str, Any]:
    source = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/x"}}}
    return {
        "TransformInput": {**source, "ContentType": "text/csv", "SplitType": "Line", **more.pop("TransformInput", {})},
        "TransformOutput": {"S3OutputPath": "s3://b/o", "AssembleWith": "Line", **more.pop("TransformOutput", {})},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2},
        **more,
    }


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"DataProcessing": {"InputFilter": "$[?(@.a)]"}}, "DataProcessing.InputFilter .* not supported from"),
        ({"DataProcessing": {"OutputFilter": "a"}}, "DataProcessing.OutputFilter 'a' does not begin with"),
        ({"DataProcessing": {"JoinSource": "Input"}, "TransformInput": {"SplitType": "None"}}, "needs SplitType Line"),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformInput": {"ContentType": "text/libsvm"}},
            "ContentType of",
        ),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformOutput": {"Accept": "application/json"}},
            "like the input",
        ),
        ({"DataProcessing": {"JoinSource": "Input"}, "MaxPayloadInMB": 0}, "MaxPayloadInMB 0"),
        ({"TransformInput": {"SplitType": "TFRecord"}}, "does not support SplitType TFRecord"),
        ({"TransformInput": {"SplitType": "None"}, "BatchStrategy": "MultiRecord"}, "MultiRecord takes SplitType Line"),
        ({"MaxConcurrentTransforms": 20, "MaxPayloadInMB": 6}, "at most 100 MB"),
    ],
)
def test_requests_that_can_not_work_are_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(AwsError, match=words):
        _check(request(**more))


@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
def test_requests_that_work_are_taken(strategy: str) -> None:
    _check(request(BatchStrategy=strategy, DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input"}))
    _check(request(MaxPayloadInMB=0, TransformInput={"SplitType": "RecordIO", "ContentType": "a/b"}))
    assert processing_of(request(DataProcessing={"InputFilter": "$", "JoinSource": "None"})) is None


def record_io(*bodies: bytes) -> bytes:
    return b"".join(struct.pack("<II", 0xCED7230A, len(body)) + body + b"\0" * (-len(body) % 4) for body in bodies)


def test_record_io_goes_as_it_is_and_single_records_without_head_and_padding() -> None:
    content = record_io(b"abcde", b"", b"fgh")
    assert list(payloads(io.BytesIO(content), "RecordIO", False, 100)) == [b"abcde", b"", b"fgh"]
    many = list(payloads(io.BytesIO(content), "RecordIO", True, 24))
    assert (b"".join(many), len(many)) == (content, 2)
    for broken in (content[:-2], b"x" + content, content + b"\0"):
        with pytest.raises(NotRecordIO):
            list(payloads(io.BytesIO(broken), "RecordIO", True, 100))
    with pytest.raises(TooLarge):
        list(payloads(io.BytesIO(content), "RecordIO", True, 8))


cell = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6)


@given(st.lists(st.lists(cell, min_size=2, max_size=3), max_size=20), st.booleans(), st.integers(80, 200))
def test_whatever_the_limit_and_the_strategy_a_join_gives_the_same_rows(
    rows: list[list[str]], many: bool, limit: int
) -> None:
    import csv

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([str(number), *row] for number, row in enumerate(rows))
    content = text.getvalue().encode()
    filters = Processing(Path("$[1:]"), Path("$[0,-1]"), True, "csv")
    written, posted = b"", []
    for body, originals in groups(records(io.BytesIO(content), "Line", many, limit), many, limit, filters.prepare):
        assert len(body) <= limit
        assert many or len(originals) == 1
        posted += list(csv.reader(io.StringIO(body.decode(), newline="")))
        written += filters.finish(originals, b"".join(b"%d\n" % (len(line) % 7) for line in originals))
    assert posted == rows
    found = list(csv.reader(io.StringIO(written.decode(), newline="")))
    assert [row[0] for row in found] == [str(number) for number in range(len(rows))]


def test_objects_fall_to_instances_by_the_order_of_their_keys() -> None:
    assert used(2, ["a", "b", "c"]) == [[(0, "a"), (2, "c")], [(1, "b")]]
    assert used(5, ["a"]) == [[(0, "a")]]
