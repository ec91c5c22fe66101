"""Workers forked from a zygote: what they see, how they end, and that they never outlive what they belong to."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_region.ports import Family, ProcessSpec
from local_region.processes import service
from local_region.processes.service import ZygoteProcesses
from tests.support.region import ROOT, wait_for

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def processes() -> Iterator[ZygoteProcesses]:
    made = ZygoteProcesses()
    yield made
    made.stop()


def spec(entry: str, *arguments: str, family: Family = "xgboost", cwd: Path = HERE, **env: str) -> ProcessSpec:
    return ProcessSpec(
        entry=f"sample_workers:{entry}", argv=arguments, env=env, cwd=cwd, family=family, python_path=(str(HERE),)
    )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())


def told(processes: ZygoteProcesses, request: ProcessSpec) -> dict[str, Any]:
    worker = processes.spawn(request)
    first, *rest = list(worker.lines())
    assert rest == ["to stderr"]
    assert worker.wait(10) == int(request.argv[0])
    found: dict[str, Any] = json.loads(first)
    return found


@pytest.mark.parametrize("family", ["function", "xgboost", "sklearn"])
def test_a_worker_sees_only_what_its_request_says(processes: ZygoteProcesses, tmp_path: Path, family: Family) -> None:
    seen = told(processes, spec("report", "7", "two words", family=family, cwd=tmp_path, ONE="1", Ü="ß"))
    assert seen["arguments"] == ["7", "two words"]
    assert seen["environment"] == {"ONE": "1", "Ü": "ß"}
    assert seen["folder"] == str(tmp_path)
    assert seen["path"] == [str(HERE)]
    assert seen["descriptors"] == [0, 1, 2]
    assert seen["stdin"] == ""
    assert seen["threads"] == 1
    assert (
        seen["preloaded"] == {"function": ["boto3", "duckdb"], "xgboost": ["xgboost"], "sklearn": ["sklearn"]}[family]
    )


def test_workers_draw_different_random_numbers(processes: ZygoteProcesses) -> None:
    seen = [told(processes, spec("report", "0")) for _ in range(3)]
    assert len({one["random"] for one in seen}) == 3
    assert len({one["numpy"] for one in seen}) == 3


def test_a_failure_is_told_on_the_output(processes: ZygoteProcesses) -> None:
    worker = processes.spawn(spec("crash"))
    lines = list(worker.lines())
    assert lines[-1] == "ValueError: what went wrong"
    assert worker.wait(10) == 1
    worker = processes.spawn(spec("leave"))
    assert (list(worker.lines()), worker.wait(10)) == (["a message instead of a number"], 1)
    worker = processes.spawn(spec("absent"))
    assert "absent" in list(worker.lines())[-1]
    assert worker.wait(10) == 1
    worker = processes.spawn(spec("report", "0", cwd=Path("/absent")))
    assert "FileNotFoundError" in list(worker.lines())[-1]
    assert worker.wait(10) == 1


def test_output_that_is_not_text_is_kept_readable(processes: ZygoteProcesses) -> None:
    worker = processes.spawn(spec("bytes_out"))
    assert list(worker.lines()) == ["caf\ufffd", "last line without an end"]


def test_signals_and_exit_codes(processes: ZygoteProcesses) -> None:
    worker = processes.spawn(spec("stay"))
    assert next(worker.lines()) == "ready"
    assert (worker.exit_code, worker.wait(0.01)) == (None, None)
    assert worker.memory_mb() > 5
    worker.terminate()
    assert worker.exit_code == -signal.SIGTERM

    deaf = processes.spawn(spec("stay", "deaf"))
    assert next(deaf.lines()) == "ready"
    deaf.terminate(grace_seconds=0.2)
    assert deaf.exit_code == -signal.SIGKILL
    deaf.kill()  # it has ended: nothing is hit


def test_peak_memory_is_reported(processes: ZygoteProcesses) -> None:
    worker = processes.spawn(spec("use_memory"))
    list(worker.lines())
    worker.wait(10)
    assert 150 < worker.memory_mb() < 400


def test_a_workers_children_end_with_it_and_so_does_its_output(processes: ZygoteProcesses) -> None:
    worker = processes.spawn(spec("stay", "parent", "brief"))
    child, *rest = list(worker.lines())  # ends although the child had inherited the pipe
    assert rest == ["ready"]
    assert worker.wait(10) == 0
    wait_for(lambda: not alive(int(child)), what="the child's end")


def test_a_fork_takes_milliseconds_and_leaves_no_zombie(processes: ZygoteProcesses) -> None:
    took = []
    for _ in range(20):
        began = time.perf_counter()
        worker = processes.spawn(spec("stay", "brief"))
        took.append(time.perf_counter() - began)
        list(worker.lines())
        assert worker.wait(10) == 0
    assert statistics.median(took) < 0.05
    assert [row["entry"] for row in processes.running() if row["entry"] != "zygote"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("family", ["function", "xgboost", "sklearn"])
def test_a_zygote_has_one_thread(processes: ZygoteProcesses, family: Family) -> None:
    told(processes, spec("report", "0", family=family))
    assert len(list(Path(f"/proc/{processes.warm(family).pid}/task").iterdir())) == 1


def test_when_a_zygote_dies_its_workers_do_and_the_next_request_gets_a_new_one() -> None:
    processes = ZygoteProcesses()
    try:
        worker = processes.spawn(spec("stay"))
        assert next(worker.lines()) == "ready"
        first = processes.warm("xgboost").pid
        os.kill(first, signal.SIGKILL)
        assert worker.wait(10) == -signal.SIGKILL
        wait_for(lambda: not alive(worker.pid), what="the worker's end")
        again = processes.spawn(spec("stay", "brief"))
        assert again.wait(20) == 0
        assert processes.warm("xgboost").pid != first
    finally:
        processes.stop()


def test_a_zygote_that_is_needed_now_and_then_ends_when_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_IDLE_SECONDS", {"xgboost": 0.05})
    processes = ZygoteProcesses()
    try:
        staying = processes.spawn(spec("stay"))
        first = processes.warm("xgboost").pid
        assert processes.spawn(spec("stay", "brief")).wait(20) == 0
        assert alive(staying.pid) and processes.warm("xgboost").pid == first  # not idle: one still runs
        staying.kill()
        wait_for(lambda: not alive(first), what="the zygote's end")
        assert processes.spawn(spec("stay", "brief")).wait(20) == 0
        assert processes.warm("xgboost").pid != first
    finally:
        processes.stop()


_PARENT = """
import sys, time
from pathlib import Path
from local_region.ports import ProcessSpec
from local_region.processes.service import ZygoteProcesses
processes = ZygoteProcesses()
here = sys.argv[1]
workers = [processes.spawn(ProcessSpec(entry="sample_workers:stay", argv=["deaf"], env={}, cwd=Path(here),
                                       family="xgboost", python_path=(here,))) for _ in range(2)]
for worker in workers:
    next(worker.lines())
print(processes.warm("xgboost").pid, *(worker.pid for worker in workers), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_however_the_region_ends_its_workers_end(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(HERE)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        pids = [int(text) for text in parent.stdout.readline().split()]
        assert len(pids) == 3
        assert all(map(alive, pids))
        parent.send_signal(number)
        parent.wait(10)
        wait_for(lambda: not any(map(alive, pids)), what="the workers' end")
    finally:
        parent.kill()
        parent.communicate()


# workers that others are forked from


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="this system doesn't tell a process's threads")
def test_what_an_entry_left_in_memory_is_there_in_workers_forked_from_it(processes: ZygoteProcesses) -> None:
    loader = processes.load(spec("hold", "the", "data"))
    assert loader.loaded(30) is True
    for _ in range(2):
        worker = loader.spawn(spec("show"))
        assert worker is not None
        assert list(worker.lines()) == ['["the", "data"]']
        assert worker.wait(10) == 0
    seen = loader.spawn(spec("report", "0", ONE="1"))
    assert seen is not None
    told = json.loads(next(seen.lines()))
    assert (told["environment"], told["descriptors"], told["threads"]) == ({"ONE": "1"}, [0, 1, 2], 1)
    assert "sample_workers:hold" in {row["entry"] for row in processes.running()}
    stays = loader.spawn(spec("stay"))
    assert stays is not None
    loader.close()
    assert stays.wait(10) == -signal.SIGKILL
    wait_for(lambda: not alive(stays.pid), 10, "the end of the worker's process")
    assert loader.spawn(spec("show")) is None
    assert "sample_workers:hold" not in {row["entry"] for row in processes.running()}


@pytest.mark.parametrize(("how", "said"), [("thread", "can't fork workers safely: it has 2 threads"), ("badly", None)])
def test_nothing_is_forked_from_a_process_that_has_failed_or_has_threads(
    processes: ZygoteProcesses, how: str, said: str | None
) -> None:
    loader = processes.load(spec("hold", how))
    lines = list(loader.lines())
    assert loader.loaded(30) is False
    assert loader.spawn(spec("show")) is None
    assert said is None or any(said in line for line in lines)


def test_a_process_that_still_loads_can_be_closed(processes: ZygoteProcesses) -> None:
    loader = processes.load(spec("hold", "slowly"))
    assert next(loader.lines()) == "reading"
    assert loader.loaded(0) is None
    loader.close()
    assert loader.loaded(10) is False


def test_the_end_of_all_ends_loaded_processes_and_their_workers() -> None:
    made = ZygoteProcesses()
    loader = made.load(spec("hold"))
    assert loader.loaded(30)
    worker = loader.spawn(spec("stay"))
    assert worker is not None
    made.stop()
    assert worker.wait(10) == -signal.SIGKILL
    wait_for(lambda: not alive(worker.pid), 10, "the end of the worker's process")
