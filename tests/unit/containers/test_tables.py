"""Reading training data: values, missing cells, delimiters, and the exact place of what is bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_region.containers.common import tables
from local_region.containers.common.errors import UserError


def write(folder: Path, text: str, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_with_missing_cells(tmp_path: Path, delimiter: str, end: str) -> None:
    text = end.join(["1,2,3", "0,,4", "1,5,", "", "0,nan,1e3"]).replace(",", delimiter)
    table = tables.read_csv([write(tmp_path, text)])
    assert table.labels.tolist() == [1, 0, 1, 0]
    np.testing.assert_array_equal(table.features, np.array([[2, 3], [np.nan, 4], [5, np.nan], [np.nan, 1000]], "f4"))


def test_csv_of_several_files_in_small_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BLOCK", 16)
    rows = [[i % 2, i, i * 0.5] for i in range(100)]
    files = [
        write(tmp_path, "\ufeff" + "".join(f"{a},{b},{c}\n" for a, b, c in rows[:60]), "a.csv"),
        write(tmp_path, "\n".join(f"{a},{b},{c}" for a, b, c in rows[60:]), "b.csv"),
    ]
    table = tables.read_csv(files)
    np.testing.assert_array_equal(np.column_stack([table.labels, table.features]), np.array(rows, "f4"))


def test_weights_are_the_second_column(tmp_path: Path) -> None:
    table = tables.read_csv([write(tmp_path, "1,0.5,9\n0,2,8\n")], weighted=True)
    assert table.weights is not None
    assert (table.weights.tolist(), table.features.tolist()) == ([0.5, 2.0], [[9.0], [8.0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "label,a\n1,2\n",
            "File 'a.csv' line 1 column 1: 'label' is not a number. CSV for a built-in algorithm has no",
        ),
        ("1,2\n1,x\n", "line 2 column 2: 'x' is not a number."),
        ("1,2\n\n1,2,3\n", "line 3: 3 columns where the first line has 2"),
        ("1,2\n,3\n", "line 2: the label (first column) is missing"),
        ("1,inf\n", "line 1 column 2: 'inf' is not a finite number"),
        ("1,2\n1,1_000\n", "line 2 column 2: '1_000' is not a finite number"),
        ("1\n2\n", "Could not determine delimiter"),
    ],
)
def test_bad_csv_is_named_by_line_and_cell(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        tables.read_csv([write(tmp_path, text)])
    assert message in str(caught.value)


@given(st.lists(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6, width=32)), min_size=3, max_size=3), min_size=1))
def test_any_block_reads_back(rows: list[list[float | None]]) -> None:
    text = "\n".join(",".join("" if cell is None else repr(cell) for cell in row) for row in rows)
    expected = np.array([[np.nan if cell is None else cell for cell in row] for row in rows], "f4")
    np.testing.assert_array_equal(tables.parse_block(text.encode(), b","), expected)


def test_libsvm(tmp_path: Path) -> None:
    table = tables.read_libsvm(
        [write(tmp_path, "1:0.5 0:2 3:4\n0 qidless\n".replace(" qidless", "") + "\n1 1:7 # note\n")]
    )
    values, columns, ends, width = table.features
    assert (values.tolist(), columns.tolist(), ends.tolist(), width) == ([2, 4, 7], [0, 3, 1], [0, 2, 2, 3], 4)
    assert table.weights is not None
    assert table.weights.tolist() == [0.5, 1.0, 1.0]


@pytest.mark.parametrize("line", ["x 1:2", "1 2", "1 -1:2", "1 1:x"])
def test_bad_libsvm_is_named_by_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(UserError, match=r"File 'a.csv' line 2: .* is not LIBSVM format"):
        tables.read_libsvm([write(tmp_path, f"1 0:1\n{line}\n")])


def test_hidden_files_are_refused_and_marked_ones_skipped(tmp_path: Path) -> None:
    write(tmp_path, "1,2\n", "_SUCCESS")
    kept = write(tmp_path, "1,2\n", "part-0.csv")
    assert tables.data_files(tmp_path) == [kept]
    write(tmp_path, "1,2\n", ".hidden")
    with pytest.raises(UserError, match="Hidden file"):
        tables.data_files(tmp_path)
