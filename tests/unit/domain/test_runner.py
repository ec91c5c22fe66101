"""What runs a script's entry point in the container."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from sluicegate.shipped import run


class Writes(io.RawIOBase):
    """Keeps each write by itself, as a pipe's reader may see it."""

    def __init__(self) -> None:
        self.all: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        self.all.append(bytes(data))  # type: ignore[call-overload]
        return len(self.all[-1])


def test_a_line_is_one_write_and_the_code_is_left_beside_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code").mkdir()
    script = "from runner_helper import SCORE\nprint('score:', SCORE)\nprint('done', 'too')\n"
    (tmp_path / "code/train.py").write_text(script)
    (tmp_path / "code/runner_helper.py").write_text("SCORE = 0.5\n")
    monkeypatch.chdir(tmp_path / "code")
    monkeypatch.setenv("SLUICEGATE_ENTRY_POINT", "train.py")
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "model"))
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setattr("sys.argv", ["sluicegate_run.py", "--depth", "3"])
    writes = Writes()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(writes, encoding="utf-8", write_through=True))  # type: ignore[type-var]
    run.main()
    assert writes.all == [b"score: 0.5\n", b"done too\n"]
    assert (tmp_path / "model/code/train.py").is_file()
