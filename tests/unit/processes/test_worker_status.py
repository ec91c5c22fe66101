"""How a worker's result becomes its exit status."""

from __future__ import annotations

import pytest

from local_region.processes import worker


@pytest.mark.parametrize(
    ("result", "status"),
    [(None, 0), (0, 0), (3, 3), (256, 0), (True, 1)],
)
def test_the_entrys_result_is_the_status(monkeypatch: pytest.MonkeyPatch, result: object, status: int) -> None:
    monkeypatch.setattr(worker, "sample_entry", lambda arguments: result, raising=False)
    assert worker._run("local_region.processes.worker:sample_entry", []) == status


@pytest.mark.parametrize(("code", "status"), [(None, 0), (4, 4), ("a message", 1)])
def test_leaving_by_sys_exit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: object, status: int
) -> None:
    def leave(_arguments: list[str]) -> int:
        raise SystemExit(code)

    monkeypatch.setattr(worker, "sample_entry", leave, raising=False)
    assert worker._run("local_region.processes.worker:sample_entry", []) == status
    assert capsys.readouterr().err == ("a message\n" if code == "a message" else "")


def test_the_arguments_come_as_one_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "sample_entry", len, raising=False)
    assert worker._run("local_region.processes.worker:sample_entry", ["a", "b"]) == 2
