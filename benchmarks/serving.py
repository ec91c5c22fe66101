"""One row, eight clients: the region's XGBoost server against gunicorn + Flask serving the same model.

    python benchmarks/serving.py [--seconds 4]

Both servers are processes of their own, load the same ``xgboost-model`` (200 trees, depth 6, 40 features) and answer
``POST /invocations`` with text/csv on loopback. gunicorn: one worker, its default (sync) class and then gthread with
eight threads; the better one counts. The load generator is a third process: eight threads, each with a kept connection
(sync workers close theirs after each answer; the generator then connects again, as any client would have to).
Prints requests a second for each, and the ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = 8
APP = """
import os
import flask, numpy, xgboost
booster = xgboost.Booster()
booster.load_model(bytearray(open(os.environ["MODEL"], "rb").read()))
booster.set_param({"nthread": 1})
app = flask.Flask(__name__)

@app.get("/ping")
def ping():
    return ""

@app.post("/invocations")
def invocations():
    rows = numpy.array([line.split(",") for line in flask.request.get_data(as_text=True).split()], dtype=numpy.float32)
    predictions = booster.inplace_predict(rows, validate_features=False)
    return flask.Response("".join(f"{value}\\n" for value in predictions.tolist()), mimetype="text/csv")
"""


def make_model(folder: Path) -> str:
    """Writes ``model/xgboost-model``; returns one row of CSV."""
    import numpy as np
    import xgboost as xgb

    random = np.random.default_rng(0)
    x = random.normal(size=(5000, 40)).astype("f4")
    y = (x[:, 0] + x[:, 1] * x[:, 2] + random.normal(size=5000) > 0).astype("f4")
    booster = xgb.train({"objective": "binary:logistic", "max_depth": 6}, xgb.DMatrix(x, label=y), 200)
    (folder / "model").mkdir()
    (folder / "model/xgboost-model").write_bytes(booster.save_raw("ubj"))
    return ",".join(f"{value:.6g}" for value in x[0])


def answer(sock: socket.socket, request: bytes) -> tuple[bytes, bool]:
    """One exchange: the body, and whether the connection stays open."""
    sock.sendall(request)
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        block = sock.recv(65536)
        if not block:
            raise ConnectionError("closed")
        data += block
    head = data[:end].lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    while len(data) < end + 4 + length:
        data += sock.recv(65536)
    if not data.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(data.decode())
    return data[end + 4 :], b"connection: close" not in head


def generate(port: int, row: str, seconds: float) -> None:
    """The load generator's process: prints the count of answers and one of them as JSON."""
    body = row.encode()
    request = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )
    counts = [0] * CLIENTS
    sample: list[str] = []
    begin = time.perf_counter() + 0.2
    end = begin + seconds

    def client(number: int) -> None:
        sock = None
        while (now := time.perf_counter()) < end:
            if sock is None:
                sock = socket.create_connection(("127.0.0.1", port))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            text, stays = answer(sock, request)
            if not stays:
                sock.close()
                sock = None
            counts[number] += now >= begin
            sample[:] = [text.decode()]

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"rps": sum(counts) / seconds, "answer": sample[0].strip()}))


def measure(port: int, row: str, seconds: float) -> tuple[float, str]:
    command = [sys.executable, __file__, "--generate", str(port), "--row", row, "--seconds", str(seconds)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found["rps"], found["answer"]


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise RuntimeError("the server didn't start")


def gunicorn(folder: Path, row: str, seconds: float, *options: str) -> tuple[float, str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (folder / "flask_app.py").write_text(APP)
    command = [sys.executable, "-m", "gunicorn", "-w", "1", "-b", f"127.0.0.1:{port}", *options, "flask_app:app"]
    environment = {**os.environ, "MODEL": str(folder / "model/xgboost-model")}
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        return measure(port, row, seconds)
    finally:
        process.terminate()
        process.wait()


def ours(folder: Path, row: str, seconds: float) -> tuple[float, str]:
    command = [sys.executable, "-m", "local_region.containers.xgboost.serve"]
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        port_file = folder / "serve/port"
        deadline = time.monotonic() + 30
        while not port_file.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return measure(int(port_file.read_text()), row, seconds)
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--generate", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate:
        generate(options.generate, options.row, options.seconds)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        row = make_model(folder)
        mine, answer_ours = ours(folder, row, options.seconds)
        sync, answer_sync = gunicorn(folder, row, options.seconds)
        threads, _ = gunicorn(folder, row, options.seconds, "--worker-class", "gthread", "--threads", "8")
    if abs(float(answer_ours) - float(answer_sync)) > 1e-6:
        raise SystemExit(f"the servers disagree: {answer_ours} and {answer_sync}")
    print(f"xgboost server, 1 row, {CLIENTS} clients: {mine:,.0f} requests/s")
    print(f"gunicorn + Flask, 1 worker: sync {sync:,.0f}, gthread (8 threads) {threads:,.0f} requests/s")
    print(f"ratio to the better one: {mine / max(sync, threads):.2f} (goal: at least 1)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
