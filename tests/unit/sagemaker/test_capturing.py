"""Lines of captured data, their samples and their places; copies for shadows."""

from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_region.ports import Json, Region, RegionConfig
from local_region.sagemaker import mirroring
from local_region.sagemaker.capturing import Captures, CaptureSettings, Exchange, settings_of
from local_region.sagemaker.mirroring import Mirror
from tests.support.region import wait_for

NOW = datetime(2026, 11, 24, 23, 59, 7, 45_000, tzinfo=UTC)


def config(**more: Any) -> Json:
    base: Json = {"InitialSamplingPercentage": 100, "DestinationS3Uri": "s3://b/p/", "CaptureOptions": []}
    return {**base, "CaptureOptions": [{"CaptureMode": "InputAndOutput"}], **more}


def settings(**more: Any) -> CaptureSettings:
    made = settings_of(config(**more))
    assert made is not None
    return made


def exchange(body: bytes = b"1,2", kind: str = "text/csv", variant: str = "v") -> Exchange:
    return Exchange("e", variant, kind, body, "application/json", b'{"a": 1}', "i-1", "mine")


class Written:
    """The region's S3 and logs as far as captures need them."""

    def __init__(self, folder: Path, *, broken: bool = False) -> None:
        self.objects: dict[str, list[Json]] = {}
        self.logged: list[str] = []
        self.broken = broken
        self.now = NOW
        self.region = cast(
            "Region",
            SimpleNamespace(
                config=RegionConfig("127.0.0.1", 1, folder),
                clock=SimpleNamespace(now=lambda: self.now),
                objects=SimpleNamespace(upload=self.upload),
                logs=SimpleNamespace(write=lambda group, stream, lines: self.logged.extend(lines)),
            ),
        )

    def upload(self, source: Path, bucket: str, key: str) -> None:
        if self.broken:
            raise KeyError(bucket)
        self.objects[f"{bucket}/{key}"] = [json.loads(line) for line in source.read_text().splitlines()]


def test_a_line_is_sagemakers(tmp_path: Path) -> None:
    written = Written(tmp_path)
    captures = Captures(written.region)
    captures.put(settings(CaptureContentTypeHeader={"JsonContentTypes": ["application/json"]}), exchange())
    captures.start()
    captures.stop()
    ((key, (line,)),) = written.objects.items()
    assert key.startswith("b/p/e/v/2026/11/24/23/59-07-045-")
    event_id = line["eventMetadata"].pop("eventId")
    assert len(event_id) == 36
    assert line == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": base64.b64encode(b"1,2").decode(),  # not named as CSV
                "encoding": "BASE64",
            },
            "endpointOutput": {
                "observedContentType": "application/json",
                "mode": "OUTPUT",
                "data": '{"a": 1}',
                "encoding": "JSON",
            },
        },
        "eventMetadata": {"customAttributes": ["mine"], "inferenceId": "i-1", "inferenceTime": "2026-11-24T23:59:07Z"},
        "eventVersion": "0",
    }


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["Input"], {"endpointInput"}),
        (["Output"], {"endpointOutput"}),
        (["Input", "Output"], {"endpointInput", "endpointOutput"}),
    ],
)
def test_only_what_the_options_name(tmp_path: Path, options: list[str], parts: set[str]) -> None:
    written = Written(tmp_path)
    captures = Captures(written.region)
    captures.put(settings(CaptureOptions=[{"CaptureMode": option} for option in options]), exchange())
    captures.start()
    captures.stop()
    assert {name for lines in written.objects.values() for line in lines for name in line["captureData"]} == parts


def test_a_text_that_is_none_is_kept_in_base64() -> None:
    part = settings(CaptureContentTypeHeader={"CsvContentTypes": ["text/CSV"]}).part("INPUT", "text/csv; x=y", b"\xff")
    assert (part["encoding"], part["data"]) == ("BASE64", base64.b64encode(b"\xff").decode())


@pytest.mark.parametrize(
    ("percent", "enabled", "share"), [(0, True, 0), (100, True, 1), (100, False, 0), (30, True, 0.3)]
)
def test_the_sample(percent: int, enabled: bool, share: float) -> None:
    made = settings(InitialSamplingPercentage=percent, EnableCapture=enabled)
    assert abs(sum(made.wants() for _ in range(5000)) / 5000 - share) < 0.05
    assert made.summary()["CaptureStatus"] == ("Started" if enabled else "Stopped")


def test_an_hour_and_a_variant_have_files_of_their_own_and_the_clock_hurries_them(tmp_path: Path) -> None:
    written = Written(tmp_path)
    captures = Captures(written.region)
    captures.put(settings(), exchange())
    captures.put(settings(), exchange(variant="s"))
    written.now = datetime(2026, 11, 25, 0, 0, tzinfo=UTC)
    captures.put(settings(), exchange())
    captures.start()
    assert captures.busy()
    captures.hurry()
    wait_for(lambda: not captures.busy())
    places = {"/".join(key.split("/")[2:-1]) for key in written.objects}
    assert places == {"e/v/2026/11/24/23", "e/s/2026/11/24/23", "e/v/2026/11/25/00"}
    captures.stop()


def test_a_bucket_that_is_not_there_is_told_and_ends_nothing(tmp_path: Path) -> None:
    written = Written(tmp_path, broken=True)
    captures = Captures(written.region)
    captures.start()
    for _ in range(2):
        captures.put(settings(), exchange())
        captures.hurry()
        wait_for(lambda: not captures.busy())
    captures.stop()
    assert len(written.logged) == 2
    assert "s3://b/p/e/v" in written.logged[0]


def test_copies_beyond_the_bound_are_dropped_and_each_ends_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirroring, "_MOST_WAITING", 3)
    mirror, gate = Mirror(), threading.Event()
    ran, dropped = list[int](), list[int]()

    def copy(number: int) -> None:
        assert gate.wait(10)
        ran.append(number)
        if number == 0:
            raise ValueError("its failure is its own")

    for number in range(20):
        mirror.put(lambda number=number: copy(number), lambda number=number: dropped.append(number))  # type: ignore[misc]
    assert mirror.busy()
    gate.set()
    wait_for(lambda: not mirror.busy())
    assert sorted(ran + dropped) == list(range(20))
    assert dropped
    assert len(ran) >= 3
    mirror.stop()
