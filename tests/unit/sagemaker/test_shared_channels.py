"""Channels of a tuning job read ahead: a help when it can be had, and no harm when it can't."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_region.ports import ProcessSpec, Region, RegionConfig
from local_region.sagemaker.shared_channels import SharedChannels
from tests.support.region import wait_for

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
TRAIN = "local_region.containers.xgboost.train:main"
LOAD = "local_region.containers.xgboost.train:load"


class FakeLoader:
    def __init__(self) -> None:
        self.outcome: bool | None = None
        self.spawned: list[ProcessSpec] = []
        self.closed = threading.Event()

    def loaded(self, timeout: float) -> bool | None:
        del timeout
        return self.outcome

    def lines(self) -> Iterator[str]:
        self.closed.wait(10)
        return iter(("read",))

    def spawn(self, spec: ProcessSpec) -> str | None:
        if self.closed.is_set():
            return None
        self.spawned.append(spec)
        return "with the channels"

    def close(self) -> None:
        self.closed.set()


class FakeRegion:
    """Its store has one object; ``processes`` is the region itself."""

    def __init__(self, folder: Path) -> None:
        self.config = RegionConfig("127.0.0.1", 1, folder)
        self.clock = SimpleNamespace(now=lambda: datetime(2026, 11, 25, tzinfo=UTC))
        self.processes = self.objects = self
        self.loader = FakeLoader()
        self.loads: list[ProcessSpec] = []
        self.found = True
        self.listing: Callable[[], None] = lambda: None

    def list(self, bucket: str, prefix: str) -> list[Any]:
        self.listing()
        return [SimpleNamespace(bucket=bucket, key=f"{prefix}a.csv", size=4)] if self.found else []

    def download(self, bucket: str, key: str, target: Path) -> None:
        target.write_text(f"{bucket}/{key}")

    def load(self, spec: ProcessSpec) -> FakeLoader:
        assert (spec.cwd / "input/data/train/a.csv").read_text() == "data/train/a.csv"
        assert (spec.cwd / "input/config/hyperparameters.json").read_text() == '{"eta": ".1"}'
        self.loads.append(spec)
        return self.loader

    def spawn(self, spec: ProcessSpec) -> str:
        del spec
        return "alone"


@pytest.fixture
def region(tmp_path: Path) -> FakeRegion:
    return FakeRegion(tmp_path)


def shared(region: FakeRegion, image: str = IMAGE, **more: Any) -> SharedChannels:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data/train/"}
    request = {
        "AlgorithmSpecification": {"TrainingImage": image},
        "HyperParameters": {"eta": ".1"},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        "ResourceConfig": {"InstanceCount": 1},
        **more,
    }
    return SharedChannels(cast("Region", region), "t", request, 2)


def spec(entry: str = TRAIN) -> ProcessSpec:
    return ProcessSpec(entry, ["train"], {}, Path(), "xgboost")


def nothing() -> None: ...


def spawned(channels: SharedChannels, entry: str = TRAIN) -> Any:
    return channels.spawn(spec(entry), nothing)


def folder(region: FakeRegion) -> Path:
    return region.config.state_dir / "sagemaker/tuning-t"


def test_training_processes_are_forked_from_the_one_that_has_read(region: FakeRegion) -> None:
    channels = shared(region)
    channels.start()
    region.loader.outcome = True
    assert spawned(channels) == "with the channels"
    assert spawned(channels, "another:entry") == "alone"
    (loading,) = region.loads
    assert (loading.entry, loading.env["OMP_NUM_THREADS"]) == (LOAD, loading.env["LOKY_MAX_CPU_COUNT"])
    assert folder(region).is_dir()  # those who come later compare their files with these
    channels.close()
    assert region.loader.closed.is_set()
    assert not folder(region).exists()
    assert spawned(channels) == "alone"


def test_a_job_waits_for_the_reading_unless_it_is_stopped(region: FakeRegion) -> None:
    channels = shared(region)
    channels.start()
    asked: list[bool] = []

    def check() -> None:
        asked.append(True)
        if len(asked) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        channels.spawn(spec(), check)
    region.loader.outcome = False
    assert spawned(channels) == "alone"
    channels.close()


@pytest.mark.parametrize(
    "more",
    [
        {"HyperParameters": {"sagemaker_program": "train.py"}},
        {"ResourceConfig": {"InstanceCount": 2}},
        {"AlgorithmSpecification": {"TrainingImage": "mine:1"}},
    ],
)
def test_programs_that_read_for_themselves_are_started_as_ever(region: FakeRegion, more: dict[str, Any]) -> None:
    channels = shared(region, **more)
    channels.start()
    assert spawned(channels) == "alone"
    assert region.loads == []
    channels.close()


def test_what_cannot_be_read_ahead_is_left_to_each_job(region: FakeRegion) -> None:
    region.found = False
    channels = shared(region)
    channels.start()
    assert spawned(channels) == "alone"
    wait_for(lambda: not folder(region).exists(), 5, "the folder's end")
    channels.close()


def test_the_end_of_the_tuning_job_ends_the_reading(region: FakeRegion) -> None:
    """Also when it comes before the process is there."""
    listing, go_on = threading.Event(), threading.Event()

    def slowly() -> None:
        listing.set()
        go_on.wait(10)

    region.listing = slowly
    channels = shared(region)
    channels.start()
    assert listing.wait(10)
    closing = threading.Thread(target=channels.close)
    closing.start()
    wait_for(lambda: channels._closed.is_set(), 5, "close")
    go_on.set()
    closing.join(10)
    assert not closing.is_alive()
    assert region.loads == []
    shared(region).close()  # never started
