"""recordio-protobuf against Google's own protobuf library, which knows the message only by its definition."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, issparse

from local_region.containers.common import recordio
from local_region.containers.common.errors import UserError
from sluicegate.domain.recordio import dense_record, sparse_record

FLOATS = st.floats(-1e6, 1e6, width=32)


def record_class(packed: bool = True) -> Any:
    """``aialgs.data.Record`` as the SageMaker Developer Guide defines it (Common Data Formats for Training)."""
    kind = descriptor_pb2.FieldDescriptorProto
    name = f"record_{packed}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto2")

    def field(message: Any, number: int, label: str, type_: int, repeated: bool = False, ref: str = "") -> None:
        added = message.field.add(name=label, number=number, type=type_)
        added.label = kind.LABEL_REPEATED if repeated else kind.LABEL_OPTIONAL
        if ref:
            added.type_name = f".{name}.{ref}"
        elif repeated:
            added.options.packed = packed

    for tensor, type_ in (
        ("Float32Tensor", kind.TYPE_FLOAT),
        ("Float64Tensor", kind.TYPE_DOUBLE),
        ("Int32Tensor", kind.TYPE_INT32),
    ):
        message = file.message_type.add(name=tensor)
        field(message, 1, "values", type_, repeated=True)
        field(message, 2, "keys", kind.TYPE_UINT64, repeated=True)
        field(message, 3, "shape", kind.TYPE_UINT64, repeated=True)
    value = file.message_type.add(name="Value")
    value.oneof_decl.add(name="value")
    for number, label, ref in (
        (2, "float32_tensor", "Float32Tensor"),
        (3, "float64_tensor", "Float64Tensor"),
        (7, "int32_tensor", "Int32Tensor"),
    ):
        field(value, number, label, kind.TYPE_MESSAGE, ref=ref)
        value.field[-1].oneof_index = 0
    record = file.message_type.add(name="Record")
    for number, label in ((1, "features"), (2, "label")):
        entry = record.nested_type.add(name=f"{label.capitalize()}Entry")
        entry.options.map_entry = True
        field(entry, 1, "key", kind.TYPE_STRING)
        field(entry, 2, "value", kind.TYPE_MESSAGE, ref="Value")
        field(record, number, label, kind.TYPE_MESSAGE, repeated=True, ref=f"Record.{label.capitalize()}Entry")
        record.field[-1].options.ClearField("packed")
    for number, label in ((3, "uid"), (4, "metadata"), (5, "configuration")):
        field(record, number, label, kind.TYPE_STRING)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{name}.Record"))


RECORD, UNPACKED = record_class(), record_class(packed=False)


def framed(message: Any) -> bytes:
    body: bytes = message.SerializeToString(deterministic=True)
    return struct.pack("<II", 0xCED7230A, len(body)) + body + b"\0" * (-len(body) % 4)


def google(row: Any, label: float | None = None, kind: str = "float32_tensor", cls: Any = RECORD, **more: Any) -> bytes:
    message = cls()
    tensor = getattr(message.features["values"], kind)
    tensor.values.extend(row)
    tensor.keys.extend(more.get("keys", []))
    tensor.shape.extend(more.get("shape", []))
    if label is not None:
        message.label["values"].float32_tensor.values.append(label)
    if "uid" in more:
        message.uid = more["uid"]
    return framed(message)


@given(st.lists(st.tuples(FLOATS, FLOATS, FLOATS), min_size=1, max_size=30), st.booleans())
def test_dense_records_read_as_they_were_written(rows: list[tuple[float, ...]], labelled: bool) -> None:
    labels = [row[0] for row in rows] if labelled else [None] * len(rows)
    body = b"".join(google(row, label) for row, label in zip(rows, labels, strict=True))
    found = recordio.read(body, "x")
    np.testing.assert_array_equal(found.features, np.array(rows, "f4"))
    assert (found.labels is not None) == labelled
    if found.labels is not None:
        np.testing.assert_array_equal(found.labels, np.array(labels, "f4"))
    ours = b"".join(recordio.encode_features(row, label) for row, label in zip(rows, labels, strict=True))
    np.testing.assert_array_equal(recordio.read(ours, "x").features, found.features)


@given(st.lists(st.dictionaries(st.integers(0, 299), FLOATS, max_size=8), min_size=1, max_size=12))
def test_sparse_records_read_as_they_were_written(rows: list[dict[int, float]]) -> None:
    rows = [*rows, {299: 1.0}]
    expected = np.zeros((len(rows), 300), "f4")
    for at, row in enumerate(rows):
        expected[at, list(row)] = list(row.values())
    body = b"".join(google(list(row.values()), keys=list(row), shape=[300]) for row in rows)
    found = recordio.read(body, "x").features
    assert issparse(found)
    np.testing.assert_array_equal(found.toarray(), expected)
    ours = b"".join(recordio.encode_features(list(row.values()), None, list(row), 300) for row in rows)
    np.testing.assert_array_equal(recordio.read(ours, "x").features.toarray(), expected)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_varints(numbers: list[int]) -> None:
    message = RECORD()
    message.features["values"].float32_tensor.keys.extend(numbers)
    packed = b"".join(recordio._number(number) for number in numbers)
    assert recordio.unpack_varints(packed).tolist() == numbers
    assert packed in message.SerializeToString()


def test_what_google_reads_of_our_answers() -> None:
    body = recordio.encode_answer({"score": [0.25, 0.75], "predicted_label": 1})
    length = struct.unpack("<II", body[:8])[1]
    message = RECORD.FromString(body[8 : 8 + length])
    assert list(message.label["score"].float32_tensor.values) == [0.25, 0.75]
    assert list(message.label["predicted_label"].float32_tensor.values) == [1.0]
    assert len(body) % 4 == 0


@pytest.mark.parametrize("kind", ["float64_tensor", "int32_tensor"])
def test_other_tensors(kind: str) -> None:
    body = google([1, -2], 3.0, kind)
    assert recordio.read(body, "x").features.tolist() == [[1.0, -2.0]]
    with pytest.raises(UserError, match="x record 1: only Float32 tensors are supported, this one is"):
        recordio.read(body, "x", only_float32=True)


def test_unpacked_values_and_records_that_differ_in_more_than_numbers() -> None:
    body = google([1, 2], 0.0, uid="a") + google([3, 4], 1.0, cls=UNPACKED) + google([5, 6], 0.0)
    found = recordio.read(body, "x")
    assert found.features.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert found.labels is not None and found.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\0" * 12, "record 1: it does not start with RecordIO's magic number"),
        (google([1]) + b"\x0a", "record 2: the file ends within a record"),
        (google([1])[:-4], "record 1: the file ends within a record"),
        (google([1, 2]) + google([1]), "record 2: 1 features where the first record has 2"),
        (google([1], 1.0) + google([1]), "record 2: it has no label, others have one"),
        (google([1, 2], keys=[0]), "record 1: 1 keys for 2 values"),
        (google([1], keys=[7], shape=[3]), "record 1: key 7 is outside of the shape"),
        (struct.pack("<II", 0xCED7230A, 4) + b"\x0a\xff\xff\x01", "record 1: it is no Record message"),
        (struct.pack("<II", 0xCED7230A, 1 << 29), "records in several parts are not supported"),
    ],
)
def test_what_is_wrong_is_named_by_record(body: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        recordio.read(body, "x")


@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_be_refused(body: bytes) -> None:
    frame = struct.pack("<II", 0xCED7230A, len(body)) + body + b"\0" * (-len(body) % 4)
    for candidate in (body, frame, frame + frame):
        try:
            recordio.read(candidate, "x")
        except UserError:
            continue


def test_rows_of_a_matrix() -> None:
    matrix = csr_matrix(np.eye(3, 5, dtype="f4"))
    body = b"".join(recordio.encode_features(row.data, 1.0, row.indices, 5) for row in matrix)
    np.testing.assert_array_equal(recordio.read(body, "x").features.toarray(), np.eye(3, 5))


def test_what_the_application_writes_is_what_the_containers_read() -> None:
    dense = recordio.read(dense_record([1.5, -2.0], 1.0) + dense_record([0.0, 4.0], 0.0), "x")
    assert dense.features.tolist() == [[1.5, -2.0], [0.0, 4.0]]
    assert dense.labels is not None and dense.labels.tolist() == [1.0, 0.0]
    sparse = recordio.read(sparse_record([1, 300], [2.0, 3.0], 400) + sparse_record([], [], 400), "x").features
    assert sparse.shape == (2, 400) and sparse[0, 300] == 3.0 and sparse.nnz == 2
