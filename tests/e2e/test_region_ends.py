"""The region's processes end with it, however it ends; and a second region doesn't disturb the first."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sluice import regions
from tests.support.application import eventually, running_application

pytestmark = pytest.mark.e2e


def test_kill_9_leaves_no_process_and_up_starts_again(tmp_path: Path) -> None:
    with running_application(tmp_path / "state") as app:
        assert app.api.find("models/none") is None  # wakes a function, so a worker runs
        family = app.processes()
        assert len(family) >= 3
        port = app.info.port
        os.kill(app.info.pid, signal.SIGKILL)
        eventually(lambda: not any(regions.is_alive(pid) for pid in family), 15, "all processes ended")
        said = app.sluice("models", check=False)
        assert said.returncode == 1
        assert "sluice up" in said.stderr
        again = app.sluice("up", "--port", str(port))
        assert f"http://127.0.0.1:{port}" in again.stdout
        assert "has ended" in app.sluice("down").stdout


def test_a_port_that_is_taken_is_refused_by_name(tmp_path: Path) -> None:
    with running_application(tmp_path / "first", deploy=False) as app:
        port = str(app.info.port)
        refused = app.sluice("--state-dir", str(tmp_path / "second"), "up", "--port", port, check=False)
        assert refused.returncode == 1
        assert f"Port {port} is taken by another local region" in refused.stderr
        assert "--port" in refused.stderr
        assert regions.health(app.info.endpoint) is not None
