"""Requests to the application's HTTP API that fail while versions are deployed and taken back, under constant load.

    python benchmarks/app_updates.py [--updates 20] [--rollbacks 5] [--clients 2] [--json]

A region is started on a free port, the application is deployed and two versions of a model are trained. Clients ask for
predictions without a pause and without retries, while the versions are deployed in turn (``POST …/versions/n/deploy``),
and then come in by canary and are taken back by their alarm. The goal is that no request fails. What SageMaker's own
guardrails do below that is measured by ``updates.py``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "cli"), str(ROOT / "layers/core/src")]

from benchmarks.updates import Load, figures, report  # noqa: E402
from tests.support.application import Application, eventually, running_application  # noqa: E402

MODEL = "switched"
_SETTINGS = "evaluation: {against_champion: ignore}\nalgorithm: {hyperparameters: {num_round: 5}}\n"
_CANARY = _SETTINGS + "deployment: {strategy: canary, percent: 50, bake: 1h, rollback_on: [errors]}\n"
#: answers that the clients have after each switch, before the next one
_ANSWERS = 50


class Bench:
    def __init__(self, application: Application, clients: int) -> None:
        self.application = application
        self.versions: Counter[int] = Counter()
        application.settings(MODEL, _SETTINGS)
        for number in (1, 2):
            application.put(f"data/{MODEL}/{number}.csv", table(number))
            if application.watch(MODEL).returncode != 0:
                raise RuntimeError(f"version {number} did not become live")
        self.load = Load(self.call, clients)
        self.load.go_on(_ANSWERS)

    def call(self) -> None:
        answer = self.application.predict(MODEL, {"height": 70, "color": "red"})
        self.versions[answer["version"]] += 1

    def live(self) -> int:
        return int((self.application.api.find(f"models/{MODEL}") or {})["live_version"])

    def version(self, number: int) -> dict[str, Any]:
        return self.application.api.find(f"models/{MODEL}/versions/{number}") or {}

    def update(self) -> None:
        """The other version, at once; over when it answers."""
        number = 3 - self.live()
        self.application.sluice("deploy", MODEL, str(number), "--why", "a measurement")
        self.answers(number)

    def answers(self, number: int) -> None:
        before = self.versions[number]
        eventually(lambda: self.versions[number] > before, 200, f"version {number} answers")
        self.load.go_on(_ANSWERS)

    def canaries(self) -> None:
        """From here on versions come in by canary."""
        self.application.settings(MODEL, _CANARY)
        eventually(self._canary_counts, 60, "the canary's settings count")

    def _canary_counts(self) -> bool:
        item = self.application.client("dynamodb").get_item(
            TableName=self.application.target.outputs["RegistryTable"],
            Key={"pk": {"S": f"MODEL#{MODEL}"}, "sk": {"S": "MODEL"}},
        )
        return "canary" in str(item.get("Item", {}).get("settings"))

    def roll_back(self) -> None:
        number = 3 - self.live()
        self.application.sluice("rollback", MODEL, str(number), "--why", "a measurement", "--no-wait")
        self.answers(number)
        self.application.client("cloudwatch").set_alarm_state(
            AlarmName=f"sluicegate-{MODEL}-v{number}-errors", StateValue="ALARM", StateReason="a drill"
        )
        eventually(lambda: self.version(number).get("status") == "failed", 200, "the alarm takes it back")
        self.load.go_on(_ANSWERS)


def table(seed: int) -> str:
    random = Random(seed)
    rows = [(random.randint(0, 100), random.choice(["red", "green"])) for _ in range(240)]
    return "height,color,won\n" + "".join(f"{h},{c},{'yes' if h > 50 else 'no'}\n" for h, c in rows)


def measure(updates: int, rollbacks: int, clients: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, running_application(Path(folder) / "state") as application:
        bench = Bench(application, clients)
        began = time.perf_counter()
        try:
            for _ in range(updates):
                bench.update()
            in_updates = len(bench.load.failures)
            bench.canaries()
            for _ in range(rollbacks):
                bench.roll_back()
        finally:
            bench.load.stop()
        return figures(bench.load, updates, rollbacks, clients, in_updates, began)


if __name__ == "__main__":
    sys.exit(report(measure, __doc__, clients=2))
