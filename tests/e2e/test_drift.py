"""From real predictions in the log to a drift report, by the function with its own role and policy."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import timedelta
from random import Random
from typing import Any

from tests.support.application import Application, eventually

MODEL = "shifting"


def customers(count: int, seed: int, older: int = 0) -> list[dict[str, Any]]:
    random = Random(seed)
    return [{"age": random.randint(20, 60) + older, "plan": random.choice(["basic", "pro"])} for _ in range(count)]


def logged(application: Application) -> int:
    """Predictions that the log in the bucket holds; they come in one object or in several."""
    texts = (gzip.decompress(application.read(key)) for key in application.keys(f"prediction-log/{MODEL}/"))
    return sum(len(text.splitlines()) for text in texts)


def test_what_customers_send_has_moved_away_from_training(application: Application) -> None:
    text = io.StringIO()
    out = csv.DictWriter(text, ["age", "plan", "left"])
    out.writeheader()
    out.writerows({**row, "left": "yes" if row["age"] > 40 else "no"} for row in customers(600, 1))
    application.settings(MODEL)
    application.put(f"data/{MODEL}/a.csv", text.getvalue())
    assert application.watch(MODEL).returncode == 0
    answered = application.predict(MODEL, *customers(600, 2, older=25))["predictions"]
    assert len(answered) == 600
    eventually(lambda: logged(application) == 600, 60, "the prediction log is in the bucket")
    # now is the event's time: the look of tomorrow, some minutes after midnight
    tomorrow = (application.now() + timedelta(days=1)).replace(hour=0, minute=11, second=0, microsecond=0)
    aws = application.client("lambda")
    names = [item["FunctionName"] for item in aws.list_functions()["Functions"]]
    [name] = [item for item in names if "WatchDrift" in item]
    event = {"id": "look", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
    answer = aws.invoke(FunctionName=name, Payload=json.dumps({**event, "time": tomorrow.isoformat()}))
    assert "FunctionError" not in answer, answer["Payload"].read()
    assert MODEL in json.loads(answer["Payload"].read())["drifted"]
    report = application.api.get(f"models/{MODEL}/drift")
    assert report["rows"] == 600
    assert {column["name"]: column["drifted"] for column in report["columns"]} == {"age": True, "plan": False}
    assert report["reasons"][0].startswith("age: PSI")
    assert application.api.text(f"models/{MODEL}/drift", "text/html").startswith("<!doctype html>")
    shown = application.sluice("drift", MODEL, check=False)
    assert (shown.returncode, "has drifted" in shown.stdout) == (1, True)
    told = application.client("cloudwatch").list_metrics(Namespace="Sluicegate", MetricName="Drifted")["Metrics"]
    assert any({"Name": "Model", "Value": MODEL} in found["Dimensions"] for found in told)
