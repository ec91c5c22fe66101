"""The application on a real local region in the background, driven as a person drives it: with ``sluice``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from sluice import regions
from sluice.api import Api
from sluice.target import Target, choose

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


def eventually(ask: Callable[[], T | None], seconds: float, what: str, every: float = 0.2) -> T:
    """The first answer that is not None (or False); AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = ask()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)


@dataclass
class Application:
    """A region in ``state_dir`` with the application's stack in it."""

    state_dir: Path
    environment: dict[str, str] = field(default_factory=dict)

    def sluice(self, *arguments: str, check: bool = True, timeout: float = 300, stdin: str | None = None) -> Any:
        """Run a ``sluice`` command; a failure shows what it printed."""
        return self.run([sys.executable, "-m", "sluice", *arguments], check=check, timeout=timeout, stdin=stdin)

    def run(self, command: list[str], check: bool = True, timeout: float = 300, stdin: str | None = None) -> Any:
        """Run any command with this region's environment and no other AWS account."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=timeout, input=stdin, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLUICE_"))}
        paths = os.pathsep.join(str(ROOT / part) for part in ("layers/core/src", "cli", "."))
        own = {
            "SLUICE_STATE_DIR": str(self.state_dir),
            "PYTHONPATH": paths,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            "SAM_CLI_TELEMETRY": "0",
        }
        return kept | own | self.environment

    @cached_property
    def target(self) -> Target:
        return choose(str(self.state_dir), None, None, None, on_aws=False)

    @property
    def info(self) -> regions.RegionInfo:
        assert self.target.info is not None
        return self.target.info

    @cached_property
    def api(self) -> Api:
        return Api(self.target.api_url, self.target.api_key, direct=True)

    def client(self, service: str) -> Any:
        return self.target.client(service)

    def put(self, key: str, body: bytes | str) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.client("s3").put_object(Bucket=self.target.bucket, Key=key, Body=data)

    def read(self, key: str) -> bytes:
        return bytes(self.client("s3").get_object(Bucket=self.target.bucket, Key=key)["Body"].read())

    def keys(self, prefix: str) -> list[str]:
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.target.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def settings(self, model: str, text: str = "") -> None:
        """Upload a model.yaml without a quiet period, and wait until it counts."""
        self.put(f"models/{model}/model.yaml", f"retrain: {{quiet_period: 0s}}\n{text}")
        eventually(lambda: self.api.find(f"models/{model}"), 60, f"the settings of {model} are read")

    def runs(self, model: str) -> list[dict[str, Any]]:
        return list((self.api.find(f"models/{model}/runs") or {}).get("runs") or [])

    def uploads(self, model: str) -> list[dict[str, Any]]:
        return list((self.api.find(f"models/{model}/uploads") or {}).get("uploads") or [])

    def watch(self, model: str, seconds: float = 180) -> Any:
        """``sluice watch`` until the end, whatever it is."""
        return self.sluice("watch", model, "--timeout", str(seconds), check=False, timeout=seconds + 30)

    def predict(self, model: str, *records: Mapping[str, Any]) -> dict[str, Any]:
        return self.api.predict(model, json.dumps({"records": list(records)}).encode(), "application/json")

    def now(self) -> datetime:
        """The region's time: a test before may have moved it ahead."""
        with urllib.request.urlopen(f"{self.info.endpoint}/_local/clock", timeout=10) as answer:
            return datetime.fromisoformat(json.load(answer)["now"]).astimezone(UTC)

    def processes(self) -> list[int]:
        """Ids of the region's process and of all below it."""
        return [pid for pid, _, _ in regions.memory(self.info.pid)]


@contextmanager
def running_application(state_dir: Path, deploy: bool = True) -> Iterator[Application]:
    """Start a region on a free port, deploy, and end it afterwards."""
    app = Application(state_dir)
    state_dir.mkdir(parents=True, exist_ok=True)
    app.sluice("up", "--port", str(regions.free_port()), timeout=90)
    try:
        if deploy:
            # A caller without pause must find out about the endpoint, not about the usage plan's rate.
            app.sluice("deploy", "-p", "ApiRatePerSecond=5000", "-p", "ApiBurst=5000", timeout=180)
        yield app
    finally:
        app.sluice("down", timeout=60)
