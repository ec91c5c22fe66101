"""An experiment that decides by itself: people only ask for predictions, and say what came of them. On instances, where
its versions read alike, so that those who ask SageMaker itself are shared, too."""

from __future__ import annotations

import json
import random
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from sluicegate.adapters.lane import EncodedLane
from sluicegate.adapters.tallies import DynamoTallies
from sluicegate.domain.records import Records
from tests.support.application import Application, eventually

MODEL = "contested"
ENDPOINT = f"sluicegate-{MODEL}"
SETTINGS = """
algorithm: {hyperparameters: {num_round: 3}}
evaluation: {against_champion: ignore}
deployment: {strategy: experiment}
endpoint: {instance: ml.m5.large, max: 2}
feedback: {reward: {min: 0, max: 1}}
experiment:
  {traffic: 0.5, no_outcome: unknown, look_every: 60s, outcome_window: 1h, minimum_exposure: 50,
   minimum_effect: 0.2, guardrails: {latency: 50}}
"""
RECORDS = [{"size": size, "kind": "x"} for size in range(0, 100, 10)]


def table(rows: int, seed: int) -> str:
    chosen = random.Random(seed)
    lines = ["size,kind,won"]
    for _ in range(rows):
        size = chosen.randint(0, 100)
        lines.append(f"{size},{chosen.choice('xyz')},{'yes' if size > 50 else 'no'}")
    return "\n".join(lines) + "\n"


def judge(app: Application, later: timedelta) -> Any:
    """The schedule comes, so much later: now is the event's time, and customers need not wait for the clock."""
    at = (app.now() + later).isoformat(timespec="seconds").replace("+00:00", "Z")
    event = {"id": "later", "time": at, "detail-type": "Scheduled Event", "detail": {}}
    stack = {"StackName": app.target.stack_name, "LogicalResourceId": "JudgeExperimentFunction"}
    found = app.client("cloudformation").describe_stack_resource(**stack)["StackResourceDetail"]
    answer = app.client("lambda").invoke(FunctionName=found["PhysicalResourceId"], Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def counted(app: Application) -> int:
    """Outcomes that are in the sums."""
    tallies = DynamoTallies(app.client("dynamodb"), app.target.output("RegistryTable"))
    cause = app.api.get(f"models/{MODEL}/experiment")["experiment"]
    return sum(tally.outcomes for hours in tallies.read(MODEL, cause).values() for tally in hours.values())


def post(app: Application, path: str, body: Any, subject: str = "") -> dict[str, Any]:
    headers = {"x-api-key": app.target.api_key, "content-type": "application/json", "x-subject": subject}
    request = urllib.request.Request(f"{app.target.api_url}/models/{MODEL}/{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def directly(app: Application) -> Callable[[], str]:
    """Asks SageMaker itself, with a record encoded for the champion; the variant that answered."""
    runtime = app.client("sagemaker-runtime")
    champion = EncodedLane.from_json(json.loads(app.read(f"routing/{MODEL}.json"))["lanes"][0])
    [body] = champion.encode(Records(RECORDS[:1]))

    def ask() -> str:
        answer = runtime.invoke_endpoint(EndpointName=ENDPOINT, ContentType="text/csv", Body=body)
        assert 0 <= float(answer["Body"].read()) <= 1
        return str(answer["InvokedProductionVariant"])

    return ask


def weights(app: Application) -> dict[str, float]:
    found = app.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)["ProductionVariants"]
    return {variant["VariantName"]: variant["CurrentWeight"] for variant in found}


def scaling(app: Application) -> list[str]:
    """The variants of the endpoint that scale."""
    found = app.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    resources = sorted(target["ResourceId"] for target in found["ScalableTargets"])
    return [name.rpartition("/")[2] for name in resources if name.startswith(f"endpoint/{ENDPOINT}/")]


class Customers:
    """They go on asking, the application and SageMaker itself, and note what went wrong."""

    def __init__(self, app: Application) -> None:
        self.app, self.asked = app, 0
        self.ask_directly = directly(app)
        self.failures: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._over.wait(0.05):  # a caller who waits for the answer, and leaves others some of the machine
            self.asked += 1
            try:
                post(self.app, "predictions", {"records": RECORDS[:1]}, f"customer-{self.asked}")
                self.ask_directly()
            except ClientError as error:
                self.failures.append(str(error))
            except urllib.error.HTTPError as error:
                self.failures.append(f"{error.code} {error.read()[:300]!r}")

    def __enter__(self) -> Customers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_the_better_version_takes_over_by_itself(application: Application) -> None:
    app = application
    app.settings(MODEL, SETTINGS)
    app.put(f"data/{MODEL}/a.csv", table(200, 1))
    assert app.watch(MODEL).returncode == 0
    app.put(f"data/{MODEL}/b.csv", table(220, 2))

    def experiment(status: str) -> dict[str, Any] | None:
        found = app.api.find(f"models/{MODEL}/experiment")
        return found if found is not None and found["status"] == status else None

    begun = eventually(lambda: experiment("running"), 90, "version 2 is a challenger whose lane is up")
    assert begun["lanes"] == [{"slot": "champion", "version": 1}, {"slot": "challenger", "version": 2}]
    assert app.api.get(f"models/{MODEL}")["live_version"] == 1
    # the routing follows the registry; who asks before it counts in no experiment
    eventually(lambda: json.loads(app.read(f"routing/{MODEL}.json"))["cause"], 30, "the traffic is shared")
    eventually(lambda: weights(app) == {"v1": 0.5, "lane-2": 0.5}, 60, "SageMaker shares it alike")
    answered = Counter(ask() for ask in [directly(app)] for _ in range(60))
    assert set(answered) == {"v1", "lane-2"}
    assert min(answered.values()) >= 10  # by chance less in one of ten million times
    eventually(lambda: scaling(app) == ["lane-2", "v1"], 30, "each of them scales")

    # of the challenger's predictions more than twice as many turn out well
    with ThreadPoolExecutor(4) as pool:
        body = {"records": RECORDS}
        answers = list(pool.map(lambda n: post(app, "predictions", body, f"subject-{n}"), range(50)))
    assert {answer["version"] for answer in answers} == {1, 2}
    chosen = random.Random(3)
    rate = {1: 0.3, 2: 0.85}
    told = [
        {"inference_id": one["inference_id"], "reward": float(chosen.random() < rate[answer["version"]])}
        for answer in answers
        for one in answer["predictions"]
    ]
    for start in range(0, len(told), 100):
        assert post(app, "feedback", {"feedback": told[start : start + 100]})["accepted"] == 100
    eventually(lambda: counted(app) >= len(told), 30, "what was said is counted")
    with Customers(app) as customers:
        # the schedule's own look may have come while the outcomes were told: then it is decided, or over
        assert judge(app, timedelta(minutes=5)).get(MODEL, "over") in ("promoting", "draining", "over")
        eventually(lambda: app.api.get(f"models/{MODEL}")["live_version"] == 2, 30, "version 2 serves")
        eventually(lambda: not json.loads(app.read(f"routing/{MODEL}.json"))["cause"], 30, "nobody is sent to the lane")
    assert customers.asked > 5
    assert customers.failures == []
    app.sluice("clock", "+6m")  # the schedule comes at least once when the lane may go
    looked = eventually(lambda: experiment("promoted"), 10, "the experiment is over")
    assert looked["decision"]["by"] == "experiment"
    assert looked["look"]["comparisons"][0]["low"] > 0
    assert app.api.get(f"models/{MODEL}")["live_version"] == 2
    routing = json.loads(app.read(f"routing/{MODEL}.json"))
    assert [(lane["version"], lane["weight"]) for lane in routing["lanes"]] == [(2, 1.0)]
    # fifty subjects, ten predictions each: they and their outcomes are counted in the buckets of the subjects
    assert max(lane["design_effect"] for lane in looked["look"]["lanes"]) < 8
    tallies = DynamoTallies(app.client("dynamodb"), app.target.output("RegistryTable"))
    lanes = tallies.read(MODEL, looked["experiment"])
    buckets = [one for hours in lanes.values() for tally in hours.values() for one in tally.buckets.values()]
    assert sum(one.outcomes for one in buckets) == len(told) <= sum(one.exposures for one in buckets)
    sagemaker = app.client("sagemaker")
    named = sagemaker.list_endpoints(NameContains=ENDPOINT)["Endpoints"]
    assert ([one["EndpointName"] for one in named], list(weights(app))) == ([ENDPOINT], ["v2"])
    eventually(lambda: scaling(app) == ["v2"], 30, "what serves scales")
    assert sagemaker.list_endpoint_configs(NameContains=f"{ENDPOINT}-X")["EndpointConfigs"] == []
    shown = app.sluice("experiment", "show", MODEL).stdout
    assert "promote (by experiment): challenger is better than champion" in shown
