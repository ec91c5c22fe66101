"""SageMaker's part of a processing job: inputs from the store to a folder, the program, outputs back to the store."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sluicegate import job
from sluicegate.ports import ProcessingSpec

if TYPE_CHECKING:
    from tests.support.fakes import FakeStorage

_OPT_ML = "/opt/ml"


class FakeProgram:
    """``ports.Program``: a file. ``run_processing`` runs the package itself."""

    def write(self, target: Path) -> str:
        target.write_bytes(b"a program")
        return "0123456789abcdef"


def run_processing(spec: ProcessingSpec, storage: FakeStorage) -> tuple[str, str]:
    """How the job ends and why. Only what the job was given is in its folder; only its outputs come out of it."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)

        def local(path: str) -> Path:
            return base / path.removeprefix(_OPT_ML).lstrip("/")

        def key(uri: str) -> str:
            assert uri.startswith(f"s3://{storage.bucket}/")
            return uri.removeprefix(f"s3://{storage.bucket}/")

        for uri, path in spec.inputs.values():
            local(path).mkdir(parents=True)
            (local(path) / Path(key(uri)).name).write_bytes(storage.objects[key(uri)])
        for uri, path in spec.manifests.values():
            head, *listed = json.loads(storage.objects[key(uri)])
            for each in listed:
                target = local(path) / each
                target.parent.mkdir(parents=True)
                target.write_bytes(storage.objects[key(head["prefix"] + each)])
        arguments = [str(local(word)) if word.startswith(_OPT_ML) else word for word in spec.arguments]
        try:
            code = job.main(arguments)
        except Exception:  # noqa: BLE001 - a process ends with any of them
            message = local("/opt/ml/output/message").read_text()
            return "Failed", f"AlgorithmError: See job logs for more information, exit code: 1 {message}"
        assert code == 0
        for path, uri in spec.outputs.values():
            for file in sorted(local(path).rglob("*")):
                if file.is_file():
                    target_key = f"{key(uri)}/{file.relative_to(local(path)).as_posix()}"
                    storage.objects[target_key] = file.read_bytes()
    return "Completed", ""


def data_sets(storage: FakeStorage) -> dict[str, bytes]:
    """Every data set's files, without the one thing in them that is any of the rows': each column's example."""
    found = {}
    for key, content in storage.objects.items():
        if key.startswith("datasets/"):
            found[key] = _without_examples(content) if key.endswith("dataset.json") else content
    return found


def _without_examples(content: bytes) -> bytes:
    document = json.loads(content)
    for column in document["schema"]["columns"]:
        column.pop("example", None)
    return json.dumps(document).encode()
