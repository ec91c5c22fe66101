"""Archives, sources, payloads, lists, events: the parts that need no region."""

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_region.ports import AwsError
from local_region.sagemaker import archives, images, sources
from local_region.sagemaker.events import iso, millis, upper
from local_region.sagemaker.records import Record, listed, shaped
from local_region.sagemaker.transform_split import TooLarge, payloads

START = datetime(2026, 1, 1, tzinfo=UTC)


def archive_of(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, **values: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("../out", size=1),
        member("/etc/x", size=1),
        member("a/../../x", size=1),
        member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("hard", type=tarfile.LNKTYPE, linkname="a"),
        member("device", type=tarfile.CHRTYPE),
        member("pipe", type=tarfile.FIFOTYPE),
    ],
)
def test_archives_stay_in_their_folder(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(archives.BadArchive):
        archives.unpack(archive_of(tmp_path / "a.tar.gz", bad), folder)
    assert list(tmp_path.rglob("*")) == [tmp_path / "a.tar.gz", folder] or not any(folder.iterdir())
    assert not (tmp_path / "out").exists()


def test_archives_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 10)
    with pytest.raises(archives.BadArchive):
        archives.unpack(archive_of(tmp_path / "a.tar.gz", member("a", size=11)), tmp_path)


def test_archives_round_trip(tmp_path: Path) -> None:
    (tmp_path / "from/deep").mkdir(parents=True)
    (tmp_path / "from/deep/file").write_text("text")
    (tmp_path / "from/.part").write_text("unfinished")
    archives.pack(tmp_path / "from", tmp_path / "a.tar.gz")
    archives.unpack(tmp_path / "a.tar.gz", tmp_path / "to")
    assert [p.relative_to(tmp_path / "to").as_posix() for p in (tmp_path / "to").rglob("*") if p.is_file()] == [
        "deep/file"
    ]


@pytest.mark.parametrize(
    ("prefix", "key", "relative"),
    [
        ("data/train", "data/train/a.csv", "a.csv"),
        ("data/train/", "data/train/x/a.csv", "x/a.csv"),
        ("data/train.csv", "data/train.csv", "train.csv"),
        ("data/tr", "data/train/a.csv", "train/a.csv"),
        ("", "a/b.csv", "a/b.csv"),
    ],
)
def test_paths_below_a_prefix(prefix: str, key: str, relative: str) -> None:
    assert sources.relative_to(prefix, key) == relative


@given(
    st.lists(st.binary(max_size=20).map(lambda b: b.translate(None, b"\n\r") + b"\n"), max_size=30), st.integers(21, 60)
)
def test_payloads_lose_nothing_and_keep_the_limit(lines: list[bytes], limit: int) -> None:
    content = b"".join(lines)
    many = list(payloads(io.BytesIO(content), "Line", True, limit))
    assert all(len(body) <= limit for body in many)
    told = [line for line in lines if line.strip()]
    assert [line for line in b"".join(many).splitlines(keepends=True) if line.strip()] == told
    single = list(payloads(io.BytesIO(content), "Line", False, limit))
    assert single == told


def test_payloads_that_are_too_large() -> None:
    for split in ("Line", "None"):
        with pytest.raises(TooLarge):
            list(payloads(io.BytesIO(b"x" * 11), split, True, 10))


def record(name: str, minutes: int) -> Record:
    at = START + timedelta(minutes=minutes)
    return Record(name, f"arn:{name}", {}, at, at)


def test_lists_filter_sort_and_page() -> None:
    records = [record(f"job-{n}", n) for n in range(25)]
    seen: list[str] = []
    token: dict[str, str] = {}
    for _ in range(3):
        page, token = listed({"MaxResults": 10, **token}, records)
        seen += [each.name for each in page]
    assert seen == [f"job-{n}" for n in range(24, -1, -1)]
    assert token == {}
    page, _ = listed({"NameContains": "JOB-1", "SortBy": "Name", "SortOrder": "Ascending"}, records)
    assert [each.name for each in page][:2] == ["job-1", "job-10"]
    page, _ = listed({"CreationTimeAfter": START + timedelta(minutes=22)}, records)
    assert [each.name for each in page] == ["job-24", "job-23"]
    with pytest.raises(AwsError, match="NextToken"):
        listed({"NextToken": "!"}, records)


def test_shapes_and_times() -> None:
    assert shaped("DescribeModel", {"ModelName": "a", "Tags": [], "VpcConfig": None}) == {"ModelName": "a"}
    assert upper("InService") == "IN_SERVICE"
    assert upper("RollingBack") == "ROLLING_BACK"
    assert millis({"a": [START]}) == {"a": [1767225600000]}
    assert iso({"a": START}) == {"a": "2026-01-01T00:00:00Z"}


def test_images_and_metric_definitions() -> None:
    for image in (
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
        "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1",
        "sagemaker-xgboost",
    ):
        assert images.container_of(image) is images.XGBOOST
    for name in ("linear-learner", "knn", "kmeans", "pca", "randomcutforest", "factorization-machines"):
        for registry in (
            "382416733822.dkr.ecr.us-east-1.amazonaws.com",
            "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn",
        ):
            found = images.container_of(f"{registry}/{name}:1")
            assert found is not None and found.name == name and found.metrics
    for image in (
        "me/knn:1",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/mine/kmeans:1",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/pca:2",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/ntm:1",
        "me/my-sagemaker-xgboost-fork:1",
        "me/knn:1",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/mine/kmeans:1",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/pca:2",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/ntm:1",
    ):
        assert images.container_of(image) is None
    assert {"train:auc", "validation:rmse"} <= {each["Name"] for each in images.XGBOOST.metrics}
