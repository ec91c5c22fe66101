"""Data capture: requests and answers of an endpoint as JSON lines in S3, written behind the requests' backs.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html: one line an invocation, in
``<DestinationS3Uri>/<endpoint>/<variant>/yyyy/mm/dd/hh/<name>.jsonl``, the hour being the invocation's.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import threading
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from local_region.ports import Json, Region
from local_region.sagemaker.sources import split_uri

log = logging.getLogger(__name__)
#: seconds that lines wait for others; SageMaker takes minutes
_GATHER_SECONDS = 1.0
#: lines that wait at most; beyond it the newest are dropped, and the log says how many
_MOST_WAITING = 20_000
#: lines of one object
_MOST_LINES = 5_000


@dataclass(frozen=True)
class CaptureSettings:
    """A DataCaptureConfig. ``percent`` of the requests are kept, of these what ``modes`` names (INPUT, OUTPUT)."""

    enabled: bool
    percent: int
    destination: str
    modes: frozenset[str]
    csv_types: frozenset[str]
    json_types: frozenset[str]
    key: str

    def summary(self) -> Json:
        """A DataCaptureConfigSummary."""
        return {
            "EnableCapture": self.enabled,
            "CaptureStatus": "Started" if self.enabled else "Stopped",
            "CurrentSamplingPercentage": self.percent,
            "DestinationS3Uri": self.destination,
            "KmsKeyId": self.key,
        }

    def wants(self) -> bool:
        """Whether this request is one of the sample."""
        return self.enabled and random.random() * 100 < self.percent  # noqa: S311 - a sample, no secret

    def part(self, mode: str, content_type: str, body: bytes) -> Json:
        """``endpointInput`` or ``endpointOutput``. Types that are not named as CSV or JSON are in Base64."""
        plain = content_type.partition(";")[0].strip().lower()
        encoding = "CSV" if plain in self.csv_types else "JSON" if plain in self.json_types else "BASE64"
        if encoding != "BASE64":
            try:
                return {
                    "observedContentType": content_type,
                    "mode": mode,
                    "data": body.decode(),
                    "encoding": encoding,
                }
            except UnicodeDecodeError:
                log.debug("a body of type %s is not UTF-8: captured in Base64", content_type)
        data = base64.b64encode(body).decode()
        return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": "BASE64"}


def settings_of(config: Json | None) -> CaptureSettings | None:
    if config is None:
        return None
    modes: set[str] = set()
    for option in config["CaptureOptions"]:
        mode = option["CaptureMode"]
        modes |= {"INPUT", "OUTPUT"} if mode == "InputAndOutput" else {mode.upper()}
    headers = config.get("CaptureContentTypeHeader") or {}
    return CaptureSettings(
        bool(config.get("EnableCapture", True)),
        int(config["InitialSamplingPercentage"]),
        config["DestinationS3Uri"].rstrip("/"),
        frozenset(modes),
        frozenset(text.lower() for text in headers.get("CsvContentTypes") or ()),
        frozenset(text.lower() for text in headers.get("JsonContentTypes") or ()),
        config.get("KmsKeyId", ""),
    )


@dataclass(frozen=True)
class Exchange:
    """One invocation that was answered."""

    endpoint: str
    variant: str
    content_type: str
    body: bytes
    answer_type: str
    answer: bytes
    inference_id: str
    custom_attributes: str


class Captures:
    """Takes exchanges without waiting (``put``) and writes them on a thread of its own."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._waiting: deque[tuple[CaptureSettings, Exchange, datetime]] = deque()
        self._writing = False
        self._dropped = 0
        self._change = threading.Condition()
        self._hurry = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="data-capture", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What waits is written first."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def put(self, settings: CaptureSettings, exchange: Exchange) -> None:
        with self._change:
            if len(self._waiting) >= _MOST_WAITING:
                self._dropped += 1
                return
            self._waiting.append((settings, exchange, self._region.clock.now()))
            if len(self._waiting) == 1:
                self._change.notify_all()

    def hurry(self) -> None:
        """Write what waits now: the clock moves on."""
        with self._change:
            self._hurry = True
            self._change.notify_all()

    def busy(self) -> Iterable[str]:
        with self._change:
            return ["captured requests"] if self._waiting or self._writing else []

    def _run(self) -> None:
        while True:
            with self._change:
                self._writing = False
                self._change.wait_for(lambda: self._waiting or self._stopped)
                if not self._stopped:
                    self._change.wait_for(lambda: self._stopped or self._hurry, _GATHER_SECONDS)
                if not self._waiting:
                    return
                batch, self._waiting, self._hurry = list(self._waiting), deque(), False
                dropped, self._dropped = self._dropped, 0
                self._writing = True
            if dropped:
                log.warning("data capture: %d requests were not captured, too many wait to be written", dropped)
            self._write(batch)

    def _write(self, batch: list[tuple[CaptureSettings, Exchange, datetime]]) -> None:
        files: dict[tuple[str, str, str], list[tuple[str, datetime]]] = {}
        for settings, exchange, at in batch:
            folder = f"{settings.destination}/{exchange.endpoint}/{exchange.variant}/{at:%Y/%m/%d/%H}"
            files.setdefault((folder, exchange.endpoint, exchange.variant), []).append(
                (_line(settings, exchange, at), at)
            )
        for (folder, endpoint, variant), lines in files.items():
            for start in range(0, len(lines), _MOST_LINES):
                part = lines[start : start + _MOST_LINES]
                try:
                    self._upload(folder, [line for line, _ in part], part[0][1])
                except Exception as error:  # noqa: BLE001 - one destination must not end the thread of all
                    log.warning("data capture to %s failed: %s", folder, error)
                    text = f"Data capture to {folder} failed: {type(error).__name__}: {error}"
                    self._region.logs.write(f"/aws/sagemaker/Endpoints/{endpoint}", f"{variant}/data-capture", [text])

    def _upload(self, folder: str, lines: list[str], first: datetime) -> None:
        bucket, prefix = split_uri(folder)
        work = self._region.config.state_dir / "sagemaker"
        work.mkdir(parents=True, exist_ok=True)
        name = f"{first:%M-%S}-{first.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        path = work / name
        try:
            path.write_text("\n".join(lines) + "\n")
            self._region.objects.upload(path, bucket, f"{prefix.strip('/')}/{name}")
        finally:
            path.unlink(missing_ok=True)


def _line(settings: CaptureSettings, exchange: Exchange, at: datetime) -> str:
    data: Json = {}
    if "INPUT" in settings.modes:
        data["endpointInput"] = settings.part("INPUT", exchange.content_type, exchange.body)
    if "OUTPUT" in settings.modes:
        data["endpointOutput"] = settings.part("OUTPUT", exchange.answer_type, exchange.answer)
    about: Json = {"eventId": str(uuid.uuid4())}
    if exchange.custom_attributes:
        about["customAttributes"] = [exchange.custom_attributes]
    if exchange.inference_id:
        about["inferenceId"] = exchange.inference_id
    about["inferenceTime"] = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    return json.dumps({"captureData": data, "eventMetadata": about, "eventVersion": "0"}, separators=(",", ":"))
