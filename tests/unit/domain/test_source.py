"""A script's files: names, sizes, syntax, requirements; an archive that depends on nothing else."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate import shipped
from sluicegate.domain import source

NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?\.py", fullmatch=True)


@given(st.dictionaries(NAMES, st.binary(max_size=100), max_size=5))
def test_the_same_files_give_the_same_bytes_in_any_order(files: dict[str, bytes]) -> None:
    packed = source.pack(files)
    assert packed == source.pack(dict(reversed(files.items())))
    assert source.fingerprint(files) == source.fingerprint(dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        members: list[Any] = archive.getmembers()
        assert {member.name: archive.extractfile(member).read() for member in members} == files  # type: ignore[union-attr]
        assert all(member.isreg() and member.mtime == 0 and member.uid == 0 for member in members)
    assert gzip.decompress(packed)


def test_any_change_is_another_fingerprint() -> None:
    files = {"a.py": b"1", "b.py": b"2"}
    others = [{"a.py": b"1"}, {"a.py": b"12", "b.py": b""}, {"a.py": b"2", "b.py": b"1"}, {"a.py": b"1", "c.py": b"2"}]
    assert len({source.fingerprint(each) for each in [files, *others]}) == 5


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({f"m{number}.py": 1 for number in range(201)}, "201 files under code/; accepted are 200"),
        ({"a.py": 1, "weights.bin": 6_000_000}, "6,000,001 bytes together (the largest is weights.bin)"),
        ({"../a.py": 1}, "code/../a.py: accepted are letters"),
        ({"a b.py": 1}, "code/a b.py: accepted are letters"),
        ({"-c.py": 1}, "code/-c.py: accepted are letters"),
        ({source.RUNNER: 1}, "is added to every archive"),
    ],
)
def test_names_and_sizes_are_bounded(sizes: dict[str, int], said: str) -> None:
    with pytest.raises(source.BadCode) as refused:
        source.check_names(sizes)
    assert said in refused.value.detail
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"train.py": b"def f(:\n"}, "code/train.py, line 1: "),
        ({"train.py": b"x = 1\n  y = 2\n"}, "code/train.py, line 2: unexpected indent (y = 2)"),
        ({"train.py": b"x = '\x00'"}, "code/train.py"),
        ({"train.py": b"\xff\xfe = 1"}, "code/train.py"),
        ({"lib/a.py": b"(", "lib/b.py": b")"}, "code/lib/b.py, line 1"),
        ({"requirements.txt": b"six\n" * 101}, "it has 101 lines; accepted are 100"),
        ({"requirements.txt": b"\xff"}, "it is not UTF-8 (byte 0)"),
    ],
)
def test_what_cant_run_is_said_with_its_place(files: dict[str, bytes], said: str) -> None:
    with pytest.raises(source.BadCode) as refused:
        source.check_content(files)
    assert said in refused.value.detail


def test_what_can_run_passes() -> None:
    source.check_content({"train.py": b"print('\\d')\n", "data.bin": b"\x00(", "requirements.txt": b"# none\nsix\n"})
    source.check_content({"run.py": shipped.runner(), **shipped.model("lightgbm"), "c/x.txt": b"("})


@pytest.mark.parametrize("name", ["lightgbm", "catboost"])
def test_what_is_shipped_is_whole(name: str) -> None:
    files = shipped.model(name)
    assert set(files) == {"train.py", "requirements.txt"}
    source.check_names({each: len(content) for each, content in files.items()})
    source.check_content(files)
    assert files["requirements.txt"].decode().startswith(f"{name}==")
