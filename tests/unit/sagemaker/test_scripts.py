"""Which images run scripts, which script a request names, the layers of their environments, and mapped images."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from local_region.sagemaker import own_images
from local_region.sagemaker.environments import Environments, Layer, NotMade, cache_folder
from local_region.sagemaker.frameworks import (
    Framework,
    NoScript,
    Script,
    framework_of,
    serving_script,
    training_script,
)

ACCOUNT = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
SKLEARN, XGBOOST = f"{ACCOUNT}/sagemaker-scikit-learn:1.9-0", f"{ACCOUNT}/sagemaker-xgboost:3.0-5"
TORCH, TORCH_SERVING = f"{ACCOUNT}/pytorch-training:2.6.0-cpu-py312", f"{ACCOUNT}/pytorch-inference:2.6.0-cpu-py312"


def test_images_of_frameworks() -> None:
    assert framework_of(SKLEARN) == Framework("sklearn")
    assert framework_of(XGBOOST) == Framework("xgboost")
    assert framework_of(TORCH) == Framework("pytorch")
    assert framework_of(TORCH_SERVING) == Framework("pytorch", inference=True)
    for other in ("knn:1", f"{ACCOUNT}/my-pytorch-training:1", "sagemaker-scikit-learn-extended:2"):
        assert framework_of(other) is None


def test_the_script_of_a_training_job() -> None:
    place = {"sagemaker_submit_directory": '"s3://b/sourcedir.tar.gz"'}
    assert training_script(SKLEARN, {"sagemaker_program": '"train.py"', **place}) == Script(
        "train.py", "s3://b/sourcedir.tar.gz"
    )
    assert training_script(XGBOOST, {"num_round": "1"}) is None
    assert training_script("knn:1", {"k": "1"}) is None
    for image, given, said in (
        (SKLEARN, {}, "trains a script"),
        (TORCH_SERVING, {"sagemaker_program": "t.py", **place}, "only serves"),
        (XGBOOST, {"sagemaker_program": "t.py"}, "sagemaker_submit_directory is missing"),
        (SKLEARN, {"sagemaker_program": "../t.py", **place}, "within the source directory"),
    ):
        with pytest.raises(NoScript, match=said):
            training_script(image, given)


def test_the_script_that_a_model_is_served_by() -> None:
    given = {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://b/s.tar.gz"}
    assert serving_script(Framework("sklearn"), given, False) == Script("serve.py", "s3://b/s.tar.gz")
    archived = Script("serve.py", "/opt/ml/model/code")
    assert serving_script(Framework("sklearn"), {"SAGEMAKER_PROGRAM": "serve.py"}, False) == archived
    assert serving_script(Framework("xgboost"), {}, True) is None  # the built-in's own serving, as on AWS
    assert serving_script(Framework("pytorch", True), {}, True) == Script("inference.py", "/opt/ml/model/code")
    assert serving_script(Framework("pytorch", True), {}, False) == Script("", "/opt/ml/model/code")
    with pytest.raises(NoScript, match="set SAGEMAKER_PROGRAM"):
        serving_script(Framework("sklearn"), {}, True)


class Pip:
    """Stands in for pip: notes what it was asked, and says and answers what it is told to."""

    def __init__(self, lines: Sequence[str] = (), status: int = 0) -> None:
        self.asked: list[list[str]] = []
        self.lines, self.status = lines, status
        self.hold = threading.Event()
        self.hold.set()

    def __call__(self, command: Sequence[str], environ: Mapping[str, str], folder: Path, say: object) -> int:
        self.asked.append(list(command))
        self.hold.wait(10)
        for line in self.lines:
            say(line)  # type: ignore[operator]
        return self.status


def made(tmp_path: Path, pip: Pip, said: list[str] | None = None) -> Environments:
    return Environments(tmp_path, pip, (said if said is not None else []).append, lambda: None)


def test_a_layer_is_made_once_and_sees_those_below_it(tmp_path: Path) -> None:
    pip, said = Pip(), list[str]()
    environments = made(tmp_path, pip, said)
    base = environments.toolkit()
    assert environments.toolkit() == base
    assert len(pip.asked) == 1
    assert "--require-hashes" in pip.asked[0]
    assert base.python.exists()
    assert (base.paths[0] / "sluice_framework.py").exists()
    below = (base.paths[0] / "layers.pth").read_text().split()
    assert below == [str(path) for path in base.paths[1:]]
    assert [line.split()[0] for line in said] == ["Making", "Made"]

    code = tmp_path / "code"
    code.mkdir()
    assert environments.with_requirements(base, code) == base
    (code / "requirements.txt").write_text("six==1.17.0\n")
    first = environments.with_requirements(base, code)
    assert first.paths[1:] == base.paths
    assert environments.with_requirements(base, code) == first
    (code / "requirements.txt").write_text("six==1.16.0\n")
    assert environments.with_requirements(base, code) != first


def test_a_requirements_file_that_names_files_changes_with_them(tmp_path: Path) -> None:
    environments = made(tmp_path, Pip())
    base = environments.toolkit()
    code = tmp_path / "code"
    code.mkdir()
    (code / "requirements.txt").write_text("-r more.txt\n")
    (code / "more.txt").write_text("six\n")
    first = environments.with_requirements(base, code)
    (code / "more.txt").write_text("toolz\n")
    assert environments.with_requirements(base, code) != first


def test_pips_message_is_the_failure_and_nothing_is_left(tmp_path: Path) -> None:
    pip = Pip(["Collecting nothere", "ERROR: No matching distribution found for nothere==1"], status=1)
    environments = made(tmp_path, pip)
    with pytest.raises(NotMade, match=r"No matching distribution found for nothere==1$"):
        environments.toolkit()
    assert not list((tmp_path / "script-environments").glob("toolkit-*/"))
    pip.status = 0
    assert environments.toolkit().python.exists()
    pip.status = 1
    with pytest.raises(NotMade, match=r"PyTorch could not be installed: .*PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS"):
        environments.pytorch()


def test_two_jobs_at_once_make_one_environment(tmp_path: Path) -> None:
    pip, said, found = Pip(), list[str](), list[Layer]()
    pip.hold.clear()
    threads = [
        threading.Thread(target=lambda: found.append(made(tmp_path, pip, said).toolkit()), daemon=True)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    waited = threading.Event()
    for _ in range(500):
        if any(line.startswith("Waiting for another job") for line in said):
            break
        waited.wait(0.01)
    pip.hold.set()
    for thread in threads:
        thread.join(10)
    assert len(pip.asked) == 1
    assert found[0] == found[1]
    assert any(line.startswith("Waiting for another job") for line in said)


def test_the_cache_can_be_elsewhere(tmp_path: Path) -> None:
    assert cache_folder({"SLUICE_CACHE_DIR": str(tmp_path)}) == tmp_path
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "sluicegate"


def test_images_are_mapped_by_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLUICE_IMAGES", raising=False)
    folder = tmp_path / "mine"
    folder.mkdir()
    file = own_images.file_of(tmp_path)
    assert own_images.read(file) == {}
    with pytest.raises(own_images.BadMapping, match="no executable train or serve"):
        own_images.add(file, "mine:1", folder)
    (folder / "train").symlink_to(sys.executable)
    own_images.add(file, "mine:1", folder)
    assert own_images.executable(tmp_path, "mine:1", "train") == folder / "train"
    assert own_images.executable(tmp_path, "other:1", "train") is None
    with pytest.raises(own_images.BadMapping, match="no executable serve"):
        own_images.executable(tmp_path, "mine:1", "serve")
    file.write_text("- a list\n")
    with pytest.raises(own_images.BadMapping, match="must map image URIs to folders"):
        own_images.read(file)
    assert own_images.file_of(tmp_path, {"SLUICE_IMAGES": "/etc/images.yaml"}) == Path("/etc/images.yaml")
