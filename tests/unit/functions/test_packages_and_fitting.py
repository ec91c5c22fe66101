"""Archives are unpacked safely, and modules that don't fit this interpreter are left out."""

from __future__ import annotations

import io
import platform
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from local_region.functions import fitting, packages
from local_region.functions.bootstrap import MissingModules, forget
from local_region.functions.packages import PackageStore
from local_region.ports import AwsError


def archive(files: dict[str, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    buffer.seek(0)
    return buffer


def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    store = PackageStore(tmp_path / "store")
    content = archive({"app.py": b"x = 1", "lib/part.py": b""}).getvalue()
    first, second = store.add(io.BytesIO(content)), store.add(io.BytesIO(content))
    assert first == second
    assert (first.size, first.unzipped) == (len(content), 5)
    assert (first.folder / "app.py").read_bytes() == b"x = 1"
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == [first.digest, f"{first.digest}.json"]


@pytest.mark.parametrize("name", ["../out.py", "/etc/out.py", "a/../../out.py", "C:/out.py", "..\\out.py"])
def test_an_entry_outside_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(AwsError, match="points outside"):
        PackageStore(tmp_path / "store").add(archive({name: b"x"}))
    assert not list(tmp_path.rglob("out.py"))


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(entry, "/etc/passwd")
    buffer.seek(0)
    with pytest.raises(AwsError, match="symbolic link"):
        PackageStore(tmp_path / "store").add(buffer)


def test_the_unpacked_size_is_counted_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros", bytes(100_000))
    with pytest.raises(AwsError, match="must be smaller than 50000 bytes"):
        packages.unpack(path, tmp_path / "out", limit=50_000)
    assert packages.unpack(path, tmp_path / "out2", limit=100_000) == 100_000


@pytest.mark.parametrize("content", [b"", b"not a zip archive"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(AwsError) as caught:
        PackageStore(tmp_path).add(io.BytesIO(content))
    assert caught.value.code == "InvalidParameterValueException"
    assert list(tmp_path.iterdir()) == []


def test_which_extension_modules_fit(tmp_path: Path) -> None:
    ours = f"fast.cpython-{sys.version_info[0]}{sys.version_info[1]}-x86_64-linux-gnu.so"
    for name in (ours, "fast.cpython-399-x86_64-linux-gnu.so", "fast.abi3.so", "fast.so", "fast.py"):
        (tmp_path / name).write_bytes(b"")
    suffixes = [f".{ours.split('.', 1)[1]}", ".abi3.so", ".so"]
    fit = {path.name for path in tmp_path.iterdir() if fitting.fits(path, suffixes)}
    assert fit == {ours, "fast.abi3.so", "fast.so", "fast.py"}


def test_an_extension_module_for_another_machine_does_not_fit(tmp_path: Path) -> None:
    other = 183 if platform.machine() == "x86_64" else 62
    module = tmp_path / "fast.abi3.so"
    module.write_bytes(b"\x7fELF" + bytes(14) + other.to_bytes(2, "little"))
    assert not fitting.fits(module)


def layer(folder: Path) -> Path:
    files = {
        "_native.cpython-399-x86_64-linux-gnu.so": "",
        "native/__init__.py": "",
        "native-1.0.dist-info/RECORD": "native/__init__.py,,\n_native.cpython-399-x86_64-linux-gnu.so,,\n",
        "json/fast.cpython-399-x86_64-linux-gnu.so": "",
        "pure/__init__.py": "",
        "single.py": "",
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_a_distribution_with_an_unfitting_module_is_left_out_as_a_whole(tmp_path: Path) -> None:
    found = fitting.fit(layer(tmp_path / "python"), tmp_path / "views", "v")
    assert found.left_out == ("_native", "json", "native")
    assert found.missing == ("_native", "native"), "this environment has a json"
    assert sorted(path.name for path in found.folder.iterdir()) == ["pure", "single.py"]
    assert found.replace == ("pure", "single")
    assert (found.folder / "pure" / "__init__.py").exists()
    assert fitting.fit(tmp_path / "python", tmp_path / "views", "v") == found


def test_a_folder_that_fits_is_used_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    assert fitting.fit(tmp_path, tmp_path / "views", "v") == fitting.Fit(tmp_path, (), (), ("app",), ("app",))


def test_a_missing_module_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    finder = MissingModules({"native_thing": "native_thing is built for another Python"})
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    with pytest.raises(ModuleNotFoundError, match="built for another Python"):
        __import__("native_thing")
    with pytest.raises(ModuleNotFoundError, match="No module named"):
        __import__("nowhere_at_all")


def test_forgetting_drops_a_package_with_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("old_thing", "old_thing.part", "old_thing_else"):
        monkeypatch.setitem(sys.modules, name, sys)
    forget(["old_thing", "local_region"])
    assert "old_thing" not in sys.modules and "old_thing.part" not in sys.modules
    assert "old_thing_else" in sys.modules and "local_region.ports" in sys.modules
