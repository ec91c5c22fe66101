"""What runs for an image: one of the region's containers, a script in its own environment, or a mapped executable."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local_region.ports import Json, ProcessSpec, Region
from local_region.sagemaker import archives, images, own_images, sources
from local_region.sagemaker.environments import Environments, NotMade, Say, cache_folder
from local_region.sagemaker.frameworks import (
    MAPPED,
    Framework,
    NoScript,
    Script,
    framework_of,
    serving_script,
    training_script,
)

LAUNCH = "local_region.containers.script.launch:main"
_ROOT = str(Path(__file__).resolve().parents[2])
#: the region's own packages are importable only until the server's modules are loaded
_SERVE = (
    "import sys; sys.path.insert(0, {root!r}); from local_region.containers.script import serve; "
    "sys.path.remove({root!r}); sys.exit(serve.main())"
)
_OPT_ML = "/opt/ml/"
_STEP = 0.25
#: what a script prints is in the log at once, as in AWS's images; threads that wait for work leave the cores to others
_PYTHON = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")

Check = Callable[[], None]


class CantRun(Exception):
    """The customer's script or image can't be run; the text says why."""


def problem_of(region: Region, image: str) -> str | None:
    """Why the region can't run ``image``; None when it can."""
    try:
        if images.container_of(image) or framework_of(image) or _mapped(region, image):
            return None
    except own_images.BadMapping as error:
        return str(error)
    return (
        f"{images.unknown(image).removesuffix('.')}, {MAPPED}. An image of your own runs when an executable is mapped "
        f"to it: sluice up --image {image}=<folder with train and serve>."
    )


def _mapped(region: Region, image: str) -> bool:
    return image in own_images.read(own_images.file_of(region.config.state_dir))


def is_script(request: Json) -> bool:
    """Whether a training job's request is script mode."""
    image = request["AlgorithmSpecification"]["TrainingImage"]
    return framework_of(image) is not None and bool((request.get("HyperParameters") or {}).get("sagemaker_program"))


def runs_alone(request: Json) -> bool:
    """Whether a training job can have one host only: the toolkit's hosts, and an own image's, speak over a network."""
    return is_script(request) or images.container_of(request["AlgorithmSpecification"]["TrainingImage"]) is None


def training(
    region: Region, request: Json, folder: Path, environ: Mapping[str, str], say: Say, check: Check
) -> ProcessSpec:
    """The process that trains in ``folder``. ``CantRun`` says what is wrong; ``check`` may raise to end it."""
    image = request["AlgorithmSpecification"]["TrainingImage"]
    credentials = _credentials(region, request.get("RoleArn"))
    try:
        own = own_images.executable(region.config.state_dir, image, "train")
        if own is not None:
            return ProcessSpec(LAUNCH, [str(own), "train"], {**_outer(), **credentials, **environ}, folder, "xgboost")
        script = training_script(image, request.get("HyperParameters") or {})
        framework = framework_of(image)
        if script is None or framework is None:
            container = images.container_of(image)
            if container is None:  # checked on creation; images.yaml may have changed since
                raise CantRun(problem_of(region, image) or f"{image} can't be run")
            return ProcessSpec(container.train, ["train"], dict(environ), folder, container.train_family)
        code = _fetch(region, script, folder)
        if not (code / script.program).is_file():
            raise CantRun(f"{script.source} has no entry point {script.program}; it has {_listing(code)}.")
        python = _python(region, framework, code, say, check)
    except (NoScript, NotMade, own_images.BadMapping) as error:
        raise CantRun(str(error)) from error
    whole = {
        **_outer(python),
        **_PYTHON,
        **credentials,
        "SAGEMAKER_TRAINING_MODULE": "sluice_framework:train",
        **environ,
    }
    command = [str(python), "-c", "from sagemaker_training.cli.train import main; main()", "train"]
    return ProcessSpec(LAUNCH, command, whole, folder, "xgboost")


def loading(region: Region, request: Json, folder: Path, environ: Mapping[str, str]) -> tuple[ProcessSpec, str] | None:
    """The process that reads the channels in ``folder`` for training processes forked from it, and the entry of those;
    None for a job whose program reads its channels itself: a script, an own image, several hosts."""
    image = request["AlgorithmSpecification"]["TrainingImage"]
    container = images.container_of(image)
    alone = request["ResourceConfig"].get("InstanceCount", 1) == 1
    if container is None or not container.load or not alone or is_script(request) or _mapped(region, image):
        return None
    return ProcessSpec(container.load, ["load"], dict(environ), folder, container.train_family), container.train


def serving(
    region: Region, image: str, folder: Path, environ: Mapping[str, str], role: str | None, say: Say, check: Check
) -> ProcessSpec:
    """The process that serves what was unpacked to ``folder/model``. Once it listens it writes ``serve/port``; an own
    image can't, so its ``SAGEMAKER_BIND_TO_PORT`` is given."""
    credentials = _credentials(region, role)
    try:
        own = own_images.executable(region.config.state_dir, image, "serve")
        if own is not None:
            whole = {**_outer(), **credentials, **environ, "SAGEMAKER_BIND_TO_PORT": str(_free_port())}
            return ProcessSpec(LAUNCH, [str(own), "serve"], whole, folder, "xgboost")
        framework = framework_of(image)
        archived = (folder / "model" / "code" / "inference.py").is_file()
        script = serving_script(framework, environ, archived) if framework is not None else None
        if script is None or framework is None:
            container = images.container_of(image)
            if container is None:
                raise CantRun(problem_of(region, image) or f"{image} can't be run")
            return ProcessSpec(container.serve, ["serve"], dict(environ), folder, container.serve_family)
        code = _fetch(region, script, folder) if script.program else folder / "model" / "code"
        if script.program and not (code / script.program).is_file():
            raise CantRun(f"{script.source} has no {script.program}; it has {_listing(code)}.")
        python = _python(region, framework, code, say, check)
    except (NoScript, NotMade, own_images.BadMapping) as error:
        raise CantRun(str(error)) from error
    whole = {**_outer(python), **_PYTHON, **credentials, **environ}
    whole |= {"SLUICE_FRAMEWORK": framework.name, "SLUICE_CODE_DIR": str(code), "SAGEMAKER_PROGRAM": script.program}
    return ProcessSpec(LAUNCH, [str(python), "-c", _SERVE.format(root=_ROOT), "serve"], whole, folder, "xgboost")


def _fetch(region: Region, script: Script, folder: Path) -> Path:
    """The script's folder: an archive from S3 is unpacked to ``folder/code``, where the toolkit looks for it."""
    source = script.source.removeprefix("file://")
    if not source.startswith("s3://"):
        local = folder / source.removeprefix(_OPT_ML)
        if not source.startswith(_OPT_ML) or ".." in Path(source).parts:
            raise CantRun(f"{script.source} is neither in S3 nor below /opt/ml.")
        if not local.is_file():
            return local
        archive = local
    else:
        archive = folder / "sourcedir.tar.gz"
        bucket, key = sources.split_uri(source)
        try:
            region.objects.download(bucket, key, archive)
        except KeyError:
            raise CantRun(f"The script's archive {script.source} does not exist.") from None
    code = folder / "code"
    code.mkdir(exist_ok=True)
    try:
        archives.unpack(archive, code)
    except archives.BadArchive as error:
        raise CantRun(f"The script's archive {script.source} can't be used: {error}.") from error
    return code


def _python(region: Region, framework: Framework, code: Path, say: Say, check: Check) -> Path:
    def run(command: Sequence[str], environ: Mapping[str, str], cwd: Path, listen: Say) -> int:
        process = region.processes.spawn(ProcessSpec(LAUNCH, list(command), dict(environ), cwd, "xgboost"))

        def read() -> None:
            for line in process.lines():
                listen(line)

        reader = threading.Thread(target=read, name="read pip", daemon=True)
        reader.start()
        try:
            while process.wait(_STEP) is None:
                check()
        except BaseException:
            process.kill()
            raise
        reader.join()
        return process.exit_code or 0

    environments = Environments(cache_folder(), run, say, check)
    base = environments.pytorch() if framework.name == "pytorch" else environments.toolkit()
    return environments.with_requirements(base, code).python


def _outer(python: Path | None = None) -> dict[str, str]:
    """What a program needs of the machine: path and home; pip's settings for the toolkit's own installing."""
    kept = {name: os.environ[name] for name in _PASSED if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    if python is not None:
        kept["PATH"] = f"{python.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return kept


def _credentials(region: Region, role: str | None) -> dict[str, str]:
    """The execution role's, and where AWS is: a script may use boto3 as it would on AWS."""
    place = {
        "AWS_ENDPOINT_URL": region.config.endpoint,
        "AWS_DEFAULT_REGION": region.config.region_name,
    }
    if not role:
        return place
    found = region.identities.credentials_for(role)
    return place | {
        "AWS_ACCESS_KEY_ID": found.access_key_id,
        "AWS_SECRET_ACCESS_KEY": found.secret_access_key,
        "AWS_SESSION_TOKEN": found.session_token,
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _listing(folder: Path) -> str:
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return ", ".join(found[:10]) + (" …" if len(found) > 10 else "") if found else "no files"
