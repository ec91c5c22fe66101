"""What the prediction path costs, against bare boto3 in the same run.

Run: ``python benchmarks/predict_path.py [--json]``. It prints

* the ``predict`` handler for one record, warm, as a ratio to boto3's ``invoke_endpoint`` onto the same endpoint. The
  endpoint is a process of its own that answers at once, so what is compared is the callers' own work and one local
  exchange each. The two take turns, so a noisy moment hits both.
* the same with an experiment running (two lanes, a subject in the header, each prediction logged) as a ratio to without
  one, on the handler's own work: the endpoint's exchange is taken away from both.
* the cold import of ``functions/predict/app.py`` and ``manage_models/app.py`` in fresh processes, as a ratio to
  ``import boto3; boto3.client("sagemaker-runtime")``.

Goals: at most 1.3, at most 1.3 and at most 1.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import json
import logging
import os
import socketserver
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "layers/core/src")]

BUCKET = "bench"
ENDPOINT = "sluicegate-bench"
FEATURES = 20


def document(experiment: bool = False) -> bytes:
    """A routing with one lane, or two, of 20 columns: 12 numbers, 4 booleans, 4 categories of 8 each."""
    from sluicegate.domain.encoder import Encoder
    from sluicegate.domain.schema import Column, Problem, Schema

    columns = tuple(
        Column(f"c{number}", "number")
        if number < 12
        else Column(f"c{number}", "boolean")
        if number < 16
        else Column(f"c{number}", "category", categories=tuple("abcdefgh"))
        for number in range(FEATURES)
    )
    lane = {
        "version": 1,
        "endpoint": ENDPOINT,
        "variant": "v1",
        "weight": 1,
        "encoder": Encoder.fit(columns).to_json(),
        "schema": Schema(columns, target="y").to_json(),
        "problem": Problem("binary", ("no", "yes"), "yes").to_json(),
    }
    challenger = lane | {
        "version": 2,
        "variant": "v2",
        "slot": "challenger",
        "weight": 0.5,
        "endpoint": ENDPOINT + "-V2",
    }
    shared = {"cause": "0123abcd", "salt": "0123abcd", "lanes": [lane | {"weight": 0.5}, challenger]}
    return json.dumps({"model": "bench", "lanes": [lane], "coming": [], **(shared if experiment else {})}).encode()


def record() -> dict[str, Any]:
    values: dict[str, Any] = {f"c{number}": number * 1.5 for number in range(12)}
    values |= {f"c{number}": number % 2 == 0 for number in range(12, 16)}
    return values | {f"c{number}": "abcdefgh"[number - 14] for number in range(16, 20)}


def serve(ready: Connection, routings: dict[str, bytes]) -> None:
    """The stand-in for S3, Secrets Manager and the endpoint."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 65536

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.path.startswith("/endpoints/"):
                content = b"0.25\n"
            elif self.command == "GET":
                content = routings[self.path.rsplit("/", 1)[1]]
            else:
                content = b'{"SecretString": "0123456789abcdef0123456789abcdef"}'
            self.send_response(200)
            self.send_header("content-type", "text/csv")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    socketserver.TCPServer.request_queue_size = 64
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.send(server.server_address[1])
    server.serve_forever()


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def load_handler() -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    spec = importlib.util.spec_from_file_location("predict_app", ROOT / "functions/predict/app.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("functions/predict/app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for handler in module.logger.handlers:  # the line is made and written, but not into the figures' way
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(Path(os.devnull).open("w"))  # noqa: SIM115 lives as long as the process
    return module.handler  # type: ignore[no-any-return]


def handler_ratio(rounds: int) -> dict[str, Any]:
    ours, theirs = Pipe()
    routings = {"bench.json": document(), "shared.json": document(experiment=True)}
    process = get_context("fork").Process(target=serve, args=(theirs, routings), daemon=True)
    process.start()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ours.recv()}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "DATA_BUCKET": BUCKET,
        "NAME_PREFIX": "sluicegate",
        "INFERENCE_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:x",
    }
    import boto3

    client = boto3.client("sagemaker-runtime")
    handler = load_handler()
    event = request("bench")
    # every customer another subject: both lanes answer
    shared = [request("shared", {"X-Subject": f"customer-{number}"}) for number in range(64)]
    body = ",".join("1.5" for _ in range(48)).encode()

    def bare() -> None:
        answer = client.invoke_endpoint(
            EndpointName=ENDPOINT, TargetVariant="v1", ContentType="text/csv", Accept="text/csv", Body=body
        )
        answer["Body"].read()

    def whole(asked: dict[str, Any] = event) -> None:
        answer = handler(asked, Context())
        if answer["statusCode"] != 200:
            raise RuntimeError(answer["body"])

    subjects = itertools.cycle(shared)
    calls: dict[str, Callable[[], None]] = {
        "boto3": bare,
        "handler": whole,
        "experiment": lambda: whole(next(subjects)),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    exchanges = Exchanges()
    with contextlib.redirect_stdout(Path(os.devnull).open("w")):  # the prediction log is made and written
        for _ in range(50):
            for call in calls.values():
                call()
        exchanges.count = 0
        for _ in range(rounds):
            for name, call in calls.items():
                exchanges.seconds = 0.0
                start = time.perf_counter()
                call()
                spent = time.perf_counter() - start
                times[name].append(spent)
                times.setdefault(f"{name}, own", []).append(spent - exchanges.seconds)
    process.terminate()
    process.join()
    p50 = {name: statistics.median(values) * 1000 for name, values in times.items()}
    return {
        "boto3_invoke_endpoint_p50_ms": round(p50["boto3"], 3),
        "predict_handler_p50_ms": round(p50["handler"], 3),
        "ratio": round(p50["handler"] / p50["boto3"], 3),
        "goal": 1.3,
        "own_work_p50_ms": round(p50["handler, own"], 3),
        "own_work_in_experiment_p50_ms": round(p50["experiment, own"], 3),
        "experiment_ratio": round(p50["experiment, own"] / p50["handler, own"], 3),
        "experiment_goal": 1.3,
        "exchanges_a_prediction": exchanges.count / len(times["handler"]) / 2,
        "rounds": rounds,
    }


def request(model: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "resource": "/models/{model}/predictions",
        "path": f"/models/{model}/predictions",
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "pathParameters": {"model": model},
        "requestContext": {"requestId": "r", "requestTimeEpoch": 1_795_348_800_000},
        "body": json.dumps({"records": [record()]}),
        "isBase64Encoded": False,
    }


class Exchanges:
    """How long the handler's HTTP exchanges take, and how many there are, from now on."""

    def __init__(self) -> None:
        from sluicegate.adapters.signed_http import Origin

        self.seconds, self.count = 0.0, 0
        exchange = Origin.exchange

        def measured(origin: Origin, *arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return exchange(origin, *arguments)
            finally:
                self.seconds += time.perf_counter() - start
                self.count += 1

        setattr(Origin, "exchange", measured)  # noqa: B010 a method


def cold_import(runs: int) -> dict[str, Any]:
    """Median wall time of the import inside a fresh interpreter, whose own start is left out."""
    programs = {
        "boto3_client": "import boto3; boto3.client('sagemaker-runtime', region_name='us-east-1')",
        "predict": "import app",
        "manage_models": "import app",
    }
    measured: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(runs):
        for name, program in programs.items():
            code = (
                "import sys, time; sys.path[:0] = ['layers/core/src', 'functions/"
                + name
                + "']; s = time.perf_counter(); "
                f"{program}; print(time.perf_counter() - s)"
            )
            done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
            measured[name].append(float(done.stdout))
    medians = {name: statistics.median(values) * 1000 for name, values in measured.items()}
    return {
        **{f"{name}_ms": round(value, 1) for name, value in medians.items()},
        "ratio": round(medians["predict"] / medians["boto3_client"], 3),
        "goal": 1.0,
        "runs": runs,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="The prediction path against bare boto3.")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--imports", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {"cold_import": cold_import(options.imports), "one_record": handler_ratio(options.rounds)}
    one, cold = found["one_record"], found["cold_import"]
    reached = one["ratio"] <= one["goal"] and cold["ratio"] <= cold["goal"]
    reached = reached and one["experiment_ratio"] <= one["experiment_goal"]
    if options.json:
        print(json.dumps(found))
        return 0 if reached else 1
    print(
        f"predict, one record, warm: {one['predict_handler_p50_ms']} ms, bare boto3 invoke_endpoint "
        f"{one['boto3_invoke_endpoint_p50_ms']} ms: {one['ratio']} x (goal: at most {one['goal']} x)"
    )
    print(
        f"own work of a prediction: {one['own_work_p50_ms']} ms, with an experiment running "
        f"{one['own_work_in_experiment_p50_ms']} ms: {one['experiment_ratio']} x (goal: at most "
        f"{one['experiment_goal']} x), {one['exchanges_a_prediction']:.2f} exchanges with AWS a prediction"
    )
    print(
        f"cold import: predict {cold['predict_ms']} ms, boto3 with one client {cold['boto3_client_ms']} ms: "
        f"{cold['ratio']} x (goal: at most {cold['goal']} x); manage_models {cold['manage_models_ms']} ms"
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
