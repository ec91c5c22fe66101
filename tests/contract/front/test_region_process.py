"""The region as a process: one for a folder and a port, tidy when it ends, its workers gone however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.region import ROOT, free_port, running_region, wait_for


def serve(state_dir: Path, port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local_region", "serve", "--port", str(port), "--state-dir", str(state_dir)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    # A zombie of a parent that is gone too is only waiting for init.
    return not (status.exists() and "State:\tZ" in status.read_text())


def test_a_second_region_is_refused_and_the_first_ends_tidily(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running_region(state) as region:
        facts = json.loads((state / "region.json").read_text())
        assert facts["pid"] == region.process.pid
        assert (state / "region.json").stat().st_mode & 0o077 == 0

        same_folder = serve(state, free_port())
        assert same_folder.returncode == 1
        assert f"process {region.process.pid}" in same_folder.stderr

        same_port = serve(tmp_path / "other", facts["port"])
        assert same_port.returncode == 1
        assert f"port {facts['port']}" in same_port.stderr
        assert "--port" in same_port.stderr
        assert not (tmp_path / "other" / "region.json").exists()
        assert json.loads((state / "region.json").read_text()) == facts

        workers = [row["pid"] for row in region.control("processes")["processes"]]
        assert workers
        began = time.monotonic()
        region.process.send_signal(signal.SIGTERM)
        assert region.process.wait(10) == 0
        assert time.monotonic() - began < 5
        assert not (state / "region.json").exists()
        assert not (state / "tmp").exists()
        wait_for(lambda: not any(map(alive, workers)), what="the workers' end")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_kill_9_takes_the_workers_along_and_leaves_the_folder_usable(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running_region(state) as region:
        workers = wait_for(lambda: [row["pid"] for row in region.control("processes")["processes"]], what="the zygotes")
        assert len(workers) >= 2
        region.process.kill()
        region.process.wait()
        wait_for(lambda: not any(map(alive, workers)), what="the workers' end")
    assert (state / "region.json").exists()  # nobody was left to remove it
    with running_region(state) as again:
        assert again.control("health")["pid"] == again.process.pid


def test_bad_options_are_explained() -> None:
    command = [sys.executable, "-m", "local_region", "serve", "--port", "99999"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "1 to 65535" in done.stderr


def test_a_port_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = serve(tmp_path, other.getsockname()[1])
    assert done.returncode == 1
    assert "taken by another program" in done.stderr


def test_a_region_whose_folder_is_deleted_ends(tmp_path: Path) -> None:
    with running_region(tmp_path / "state") as region:
        shutil.rmtree(region.state_dir)
        assert region.process.wait(15) == 0


def test_two_that_start_it_at_once_get_the_same_region(tmp_path: Path) -> None:
    state, port = tmp_path / "with space" / "state", free_port()
    sluice = [sys.executable, "-m", "sluice", "--state-dir", str(state)]
    both = [
        subprocess.Popen(
            [*sluice, "up", "--port", str(port)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(2)
    ]
    try:
        said = [process.communicate(timeout=90)[0].decode() for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        pid = json.loads((state / "region.json").read_text())["pid"]
        assert all(f"process {pid}" in text for text in said), said
    finally:
        subprocess.run([*sluice, "down"], cwd=ROOT, check=True, capture_output=True, timeout=60)


def test_a_state_folder_that_cannot_be_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "sluice", "--state-dir", str(tmp_path / "file"), "up", "--port", str(free_port())]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "can't be used" in ended.stderr
    assert "--state-dir" in ended.stderr
