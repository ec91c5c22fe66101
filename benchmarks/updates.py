"""Requests that fail while an endpoint is updated under guard and rolled back, under constant load. The goal is none.

    python benchmarks/updates.py [--updates 20] [--rollbacks 5] [--clients 4] [--json]

A region is started on a free port. Clients call InvokeEndpoint without a pause and without retries, while the endpoint
goes through consecutive updates of each kind (canary, linear, all at once, rolling, without a guard) and through
rollbacks: an alarm that goes off in the middle of a canary, an alarm on the new fleet's own errors, an artifact that
can't be loaded. Bakes are passed by moving the region's clock, each only after the clients have had answers in it.
``Load`` takes any callable, so the same can be asked of another way in.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "cli"), str(ROOT / "layers/core/src")]

from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

from tests.support.region import running_region, wait_for  # noqa: E402
from tests.support.sagemaker import Work  # noqa: E402

#: answers that the clients have in each bake before it ends
_ANSWERS = 100
_BAKE = 120
_KINDS = ("CANARY", "LINEAR", "ALL_AT_ONCE", "ROLLING", "")


class Load:
    """``clients`` threads that call without a pause; ``stop`` ends them. ``call`` raises when a request fails."""

    def __init__(self, call: Callable[[], Any], clients: int) -> None:
        self.answered, self.failures, self.slowest = 0, list[str](), 0.0
        self._call, self._stopped = call, threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = time.perf_counter()
            try:
                self._call()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed request
                with self._lock:
                    self.failures.append(f"{type(error).__name__}: {error}")
            else:
                took = time.perf_counter() - began
                with self._lock:
                    self.answered += 1
                    self.slowest = max(self.slowest, took)

    def go_on(self, answers: int = _ANSWERS) -> None:
        """Until so many more were answered."""
        enough = self.answered + answers
        wait_for(lambda: self.answered >= enough or len(self.failures) > 1000, 60, f"{answers} more answers")

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()


class Bench:
    """An endpoint under load, and updates of it."""

    def __init__(self, work: Work, clients: int) -> None:
        self.work = work
        self.cloudwatch = work.region.client("cloudwatch")
        self.model = work.small_model()
        self.endpoint = work.endpoint(work.config(v=(self.model, 1.0)))
        work.status(self.endpoint, "InService")
        settings = Config(retries={"max_attempts": 0, "mode": "standard"}, max_pool_connections=clients)
        runtime = work.region.client("sagemaker-runtime", config=settings)
        self.load = Load(
            lambda: runtime.invoke_endpoint(EndpointName=self.endpoint, Body=b"1,2", ContentType="text/csv")[
                "Body"
            ].read(),
            clients,
        )
        self.load.go_on()

    def alarm(self, name: str, metric: str, **dimensions: str) -> str:
        named = {"EndpointName": self.endpoint, "VariantName": "v", **dimensions}
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[{"Name": key, "Value": value} for key, value in named.items()],
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        )
        return name

    def begin(self, kind: str, model: str, *alarms: str) -> str:
        """Start an update of ``kind``; returns the new config's name."""
        config = self.work.config(v=(model, 1.0))
        more = {"DeploymentConfig": deployment(kind, alarms)} if kind else {}
        self.work.sm.update_endpoint(EndpointName=self.endpoint, EndpointConfigName=config, **more)
        return config

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.work.sm.describe_endpoint(EndpointName=self.endpoint)
        return found

    def baking(self) -> bool:
        pending = self.described().get("PendingDeploymentSummary") or {}
        variants = pending.get("ProductionVariants") or [{}]
        return any(each["Status"] == "Baking" for each in variants[0].get("VariantStatus") or [])

    def finish(self) -> dict[str, Any]:
        """Through every bake to InService."""
        while self.described()["EndpointStatus"] != "InService":
            if wait_for(
                lambda: self.baking() or self.described()["EndpointStatus"] == "InService", 60, "a bake or the end"
            ):
                self.load.go_on()
                if self.baking():
                    self.work.region.advance(f"+{_BAKE}s")
        self.load.go_on()
        return self.described()

    def update(self, kind: str) -> None:
        config = self.begin(kind, self.model)
        found = self.finish()
        if found["EndpointConfigName"] != config or "FailureReason" in found:
            raise RuntimeError(
                f"the update {kind or 'without a guard'} did not go through: {found.get('FailureReason')}"
            )

    def roll_back(self, number: int) -> None:
        before = self.described()["EndpointConfigName"]
        way = number % 3
        if way == 0:  # in the middle of a canary
            name = self.alarm(f"drill-{number}", "Invocation5XXErrors")
            self.begin("CANARY", self.model, name)
            wait_for(self.baking, 60, "the canary's bake")
            self.load.go_on()
            self.cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a drill")
        elif way == 1:  # the artifact can't be loaded
            artifact = self.work.put(f"broken-{number}/model.tar.gz", b"no archive")
            self.begin("LINEAR", self.work.model(artifact))
        else:  # by the new fleet's own errors
            config = self.work.config(v=(self.model, 1.0))
            name = self.alarm(f"errors-{number}", "Invocation4XXErrors", EndpointConfigName=config)
            self.work.sm.update_endpoint(
                EndpointName=self.endpoint,
                EndpointConfigName=config,
                DeploymentConfig=deployment("ALL_AT_ONCE", [name]),
            )
            wait_for(self.baking, 60, "the bake")
            self.refused()
            self.load.go_on()
            self.work.region.advance("+60s")
        wait_for(lambda: "FailureReason" in self.described(), 60, f"rollback {number}")
        found = self.finish()
        if found["EndpointConfigName"] != before:
            raise RuntimeError(f"rollback {number} ended with {found['EndpointConfigName']} instead of {before}")

    def refused(self) -> None:
        """A request of a customer who is wrong: 400 from the model. It is none of the load's."""
        try:
            self.work.invoke(self.endpoint, b"no,numbers")
        except ClientError:
            return
        raise RuntimeError("the model took what is no row")


def deployment(kind: str, alarms: Any = ()) -> dict[str, Any]:
    size = {"Type": "CAPACITY_PERCENT", "Value": 20 if kind == "CANARY" else 34}
    if kind == "ROLLING":
        config: dict[str, Any] = {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": _BAKE}}
    else:
        routing: dict[str, Any] = {"Type": kind, "WaitIntervalInSeconds": _BAKE}
        if kind in ("CANARY", "LINEAR"):
            routing["CanarySize" if kind == "CANARY" else "LinearStepSize"] = size
        config = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": _BAKE}}
    if alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return config


def measure(updates: int, rollbacks: int, clients: int) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_region(Path(folder) / "state", "--log-level", "warning") as region,
    ):
        bench = Bench(Work(region), clients)
        began = time.perf_counter()
        try:
            for number in range(updates):
                bench.update(_KINDS[number % len(_KINDS)])
            updated = len(bench.load.failures)
            for number in range(rollbacks):
                bench.roll_back(number)
        finally:
            bench.load.stop()
        return figures(bench.load, updates, rollbacks, clients, updated, began)


def figures(load: Load, updates: int, rollbacks: int, clients: int, in_updates: int, began: float) -> dict[str, Any]:
    """What became of the load's requests; ``in_updates`` of them had failed before the first rollback."""
    return {
        "updates": updates,
        "rollbacks": rollbacks,
        "clients": clients,
        "seconds": round(time.perf_counter() - began, 1),
        "requests": load.answered + len(load.failures),
        "failed_in_updates": in_updates,
        "failed_in_rollbacks": len(load.failures) - in_updates,
        "slowest_ms": round(load.slowest * 1000, 1),
        "first_failures": load.failures[:3],
    }


def report(measure: Callable[[int, int, int], dict[str, Any]], doc: str | None, clients: int) -> int:
    """The command line of a script that measures so; its exit status is 1 when a request failed."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--rollbacks", type=int, default=5)
    parser.add_argument("--clients", type=int, default=clients)
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    options = parser.parse_args()
    found = measure(options.updates, options.rollbacks, options.clients)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print(
            f"{found['failed_in_updates']} of the requests failed in {found['updates']} updates and "
            f"{found['failed_in_rollbacks']} in {found['rollbacks']} rollbacks, of {found['requests']:,} by "
            f"{found['clients']} clients (goal 0); the slowest took {found['slowest_ms']:.0f} ms; "
            f"{found['seconds']} s in all"
        )
        for text in found["first_failures"]:
            print(f"  failed: {text}")
    return 1 if found["failed_in_updates"] + found["failed_in_rollbacks"] else 0


if __name__ == "__main__":
    sys.exit(report(measure, __doc__, clients=4))
