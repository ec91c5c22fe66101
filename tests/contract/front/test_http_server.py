"""The server's manners: keep-alive, 100-continue, chunked and long bodies, slow clients, hosts, many at once."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion, wait_for

PIPELINE = {"PipelineDefinition": "{}", "ClientRequestToken": "0" * 32}


@contextmanager
def raw(region: RunningRegion) -> Iterator[socket.socket]:
    parts = urlsplit(region.endpoint)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        yield connection


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    data = b""
    while mark not in data:
        got = connection.recv(65536)
        if not got:
            break
        data += got
    return data


def test_a_connection_serves_many_requests(region: RunningRegion) -> None:
    connection = http.client.HTTPConnection(urlsplit(region.endpoint).netloc, timeout=10)
    ports = set()
    for _ in range(3):
        connection.request("GET", "/_local/health")
        assert json.loads(connection.getresponse().read())["status"] == "ok"
        ports.add(connection.sock.getsockname()[1])
    connection.close()
    assert len(ports) == 1


def test_it_asks_for_a_body_that_waits_to_be_asked_for(region: RunningRegion) -> None:
    bucket = f"c-{uuid.uuid4().hex[:8]}"
    region.client("s3").create_bucket(Bucket=bucket)
    with raw(region) as connection:
        head = f"PUT /{bucket}/k HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        connection.sendall(head.encode())
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert region.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"


def test_an_empty_body_that_waits_to_be_asked_for_is_not_waited_for(region: RunningRegion) -> None:
    with raw(region) as connection:
        head = "PUT /empty-body-bucket HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(head.encode())
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_chunked_bodies(region: RunningRegion) -> None:
    bucket = f"c-{uuid.uuid4().hex[:8]}"
    region.client("s3").create_bucket(Bucket=bucket)
    connection = http.client.HTTPConnection(urlsplit(region.endpoint).netloc, timeout=10)
    connection.request("PUT", f"/{bucket}/k", body=iter([b"a" * 70_000, b"b" * 3_000_000]), encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()
    assert region.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"a" * 70_000 + b"b" * 3_000_000


def test_slow_and_waiting_clients_keep_nobody_waiting(region: RunningRegion) -> None:
    sqs = region.client("sqs")
    url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    answers: list[int] = []
    waiting = region.client("sqs", config=Config(max_pool_connections=40, retries={"max_attempts": 0}))

    def long_poll() -> None:
        answers.append(len(waiting.receive_message(QueueUrl=url, WaitTimeSeconds=20).get("Messages", [])))

    pollers = [threading.Thread(target=long_poll, daemon=True) for _ in range(40)]
    for poller in pollers:
        poller.start()
    with raw(region) as slow:
        slow.sendall(b"PUT /never-finished HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\npart")
        began = time.perf_counter()
        assert region.control("health")["status"] == "ok"
        assert time.perf_counter() - began < 5
    for _ in pollers:
        sqs.send_message(QueueUrl=url, MessageBody="x")
    wait_for(lambda: sum(answers) == len(pollers) or None, 30, "every poller's message")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.7:80"])
def test_other_hosts_names_are_refused(region: RunningRegion, host: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(region.endpoint).netloc, timeout=10)
    connection.request("GET", "/_local/health", headers={"Host": host})
    answer = connection.getresponse()
    assert answer.status == 403
    assert b"loopback names only" in answer.read()
    connection.close()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:4566", "[::1]:4566", "127.1.2.3"])
def test_loopback_names_are_answered(region: RunningRegion, host: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(region.endpoint).netloc, timeout=10)
    connection.request("GET", "/_local/health", headers={"Host": host})
    assert connection.getresponse().status == 200
    connection.close()


def test_control_answers_clearly(region: RunningRegion) -> None:
    host = urlsplit(region.endpoint).netloc

    def ask(method: str, path: str, **headers: str) -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        return answer.status, body

    assert ask("GET", "/_local/nothing")[0] == 404
    assert ask("POST", "/_local/health")[0] == 405
    assert ask("GET", "/_local/events?after=x")[0] == 400
    assert ask("GET", "/_local/calls?after=x")[0] == 400
    assert ask("GET", "/_local/health", **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    status, health = ask("GET", "/_local/health")
    assert (status, health["pid"], health["endpoint"]) == (200, region.process.pid, region.endpoint)
    assert {row["family"] for row in region.control("processes")["processes"]} <= {"function", "xgboost", "sklearn"}


def test_it_remembers_who_asked_sagemaker_for_what(region: RunningRegion) -> None:
    sagemaker = region.client("sagemaker")
    name = f"g-{uuid.uuid4().hex[:8]}"
    before = max((call["number"] for call in region.control("calls")["calls"]), default=0)
    sagemaker.create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription="why")
    sagemaker.describe_model_package_group(ModelPackageGroupName=name)
    with pytest.raises(ClientError):
        sagemaker.delete_endpoint(EndpointName=f"{name}-none")
    with pytest.raises(ClientError):
        sagemaker.create_pipeline(PipelineName=name, RoleArn=f"arn:aws:iam::123456789012:role/{name}", **PIPELINE)
    calls = region.control(f"calls?after={before}")["calls"]
    assert [(call["operation"], call["name"], call["role"]) for call in calls] == [
        ("CreateModelPackageGroup", name, None),
        ("DeleteEndpoint", f"{name}-none", None),
        ("CreatePipeline", None, None),  # the region has no such operation: it reads no request of it
    ]
    assert calls[0]["request"] == {"ModelPackageGroupName": name, "ModelPackageGroupDescription": "why"}
    assert [(call["error"] or {}).get("code") for call in calls] == [None, "ValidationException", "NotImplemented"]
