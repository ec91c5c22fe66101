"""A template's local folders as zips under their content's hash, and the template that points to them.

The same content gives the same bytes and the same key, on any machine and at any time: an unchanged function is
neither uploaded nor deployed again.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sluice.errors import CliError

#: property of each resource type that names something on this disk
CODE_PROPERTIES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Lambda::Function": "Code",
    "AWS::Lambda::LayerVersion": "Content",
}
_LAYERS = ("AWS::Serverless::LayerVersion", "AWS::Lambda::LayerVersion")
_IGNORED_FOLDERS = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".git"})
_IGNORED_SUFFIXES = (".pyc", ".pyo", ".DS_Store")
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip entry can have
MARKER = "python/.sluice-local"
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==", re.MULTILINE)


class _TemplateLoader(yaml.CSafeLoader):
    """YAML with CloudFormation's short tags. Dates stay text: ``2010-09-09`` is a version, not a day."""


_TemplateLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _short_form(loader: yaml.CSafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """``!Sub x`` is ``{"Fn::Sub": x}``; ``!Ref`` and ``!Condition`` have no prefix; ``!GetAtt a.b`` is a list."""
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_TemplateLoader.add_multi_constructor("!", _short_form)


def read_template(path: Path) -> dict[str, Any]:
    """The template as plain JSON-able objects, short tags written out."""
    try:
        loaded = yaml.load(path.read_text(), Loader=_TemplateLoader)  # noqa: S506  (a safe loader)
    except FileNotFoundError:
        raise CliError(f"There is no {path}.", "Run this in the project's folder, or give --template.") from None
    except yaml.YAMLError as error:
        raise CliError(f"{path} is not valid YAML: {error}", "Correct it; `sam validate --lint` says more.") from None
    if not isinstance(loaded, dict) or "Resources" not in loaded:
        raise CliError(f"{path} is not a CloudFormation template: it has no Resources.", "Give another --template.")
    return loaded


@dataclass(frozen=True)
class Asset:
    """One zip to upload: ``key`` in the deployments bucket."""

    resource: str
    key: str
    body: bytes


@dataclass(frozen=True)
class Package:
    template: dict[str, Any]
    assets: list[Asset]

    @property
    def body(self) -> str:
        """The template as JSON, which is what CloudFormation gets."""
        return json.dumps(self.template, indent=1)


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name in the zip, file), sorted by name, caches left out."""
    found = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if not path.is_file() or _IGNORED_FOLDERS.intersection(relative.parts):
            continue
        if path.name.endswith(_IGNORED_SUFFIXES):
            continue
        found.append((relative.as_posix(), path))
    yield from sorted(found)


def content_hash(files: list[tuple[str, Path]]) -> str:
    """SHA-256 over names, executable bits and contents (32 hex digits of it)."""
    hasher = hashlib.sha256()
    for name, path in files:
        data = path.read_bytes()
        executable = bool(path.stat().st_mode & 0o100)
        hasher.update(f"{len(name)}:{name}:{int(executable)}:{len(data)}:".encode())
        hasher.update(data)
    return hasher.hexdigest()[:32]


def zip_of(files: list[tuple[str, Path]], prefix: str = "") -> bytes:
    """A zip whose bytes depend on names, executable bits and contents only."""
    return zip_entries((prefix + name, path.read_bytes(), bool(path.stat().st_mode & 0o100)) for name, path in files)


def zip_entries(entries: Iterator[tuple[str, bytes, bool]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data, executable in entries:
            info = zipfile.ZipInfo(name, _ZIP_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, so the mode below counts
            info.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def package(template_path: Path, bucket: str, local: bool) -> Package:
    """Replace every local folder in the template by an ``s3://`` address in ``bucket``.

    ``local`` ships makefile-built layers (third-party packages for Lambda's platform) empty: the local region runs
    functions with its own interpreter, which has the same packages from the same lock. For AWS they must be built.

    Raises:
        CliError: a folder doesn't exist, or a layer must be built first.
    """
    template = read_template(template_path)
    default = _mapping(_mapping(template.get("Globals")).get("Function")).get("CodeUri")
    assets: dict[str, Asset] = {}
    for name, resource in template["Resources"].items():
        kind = str(resource.get("Type", ""))
        property_name = CODE_PROPERTIES.get(kind)
        if property_name is None:
            continue
        properties = resource.setdefault("Properties", {})
        source = properties.get(property_name, default if kind == "AWS::Serverless::Function" else None)
        if not isinstance(source, str) or source.startswith("s3://"):
            continue
        asset = _asset(name, resource, template_path.parent / source, local)
        assets.setdefault(asset.key, asset)
        properties[property_name] = _location(kind, bucket, asset.key)
    return Package(template, list(assets.values()))


def _asset(name: str, resource: Mapping[str, Any], source: Path, local: bool) -> Asset:
    method = str(_mapping(resource.get("Metadata")).get("BuildMethod", ""))
    is_layer = resource["Type"] in _LAYERS
    if not source.exists():
        raise CliError(f"{name} names {source}, which doesn't exist.", "Correct the template.")
    if is_layer and method == "makefile":
        if not local:
            raise CliError(
                f"The layer {name} holds packages that must be built for Lambda, which this command doesn't do.",
                "For AWS use `sam build && sam deploy --guided`.",
            )
        return _local_layer(name, source)
    if source.is_file():
        body = source.read_bytes()
        return Asset(name, f"packages/{hashlib.sha256(body).hexdigest()[:32]}{source.suffix}", body)
    files = list(files_below(source))
    if not files:
        raise CliError(f"{name} names {source}, which is empty.", "Correct the template.")
    prefix = "python/" if is_layer and method.startswith("python") else ""
    mark = "-layer" if prefix else ""
    return Asset(name, f"packages/{content_hash(files)}{mark}.zip", zip_of(files, prefix))


def _local_layer(name: str, source: Path) -> Asset:
    """Only a marker, which names the lock that the region's interpreter was installed from, and the packages in it:
    the region lets functions import those (local_region/functions/imports.py)."""
    files = list(files_below(source)) if source.is_dir() else [(source.name, source)]
    lock = next((path.read_text() for relative, path in files if relative.endswith("requirements.txt")), "")
    packages = sorted(set(_PINNED.findall(lock)))
    text = f"{name}: the local region's own interpreter has these packages.\nsource {content_hash(files)}\n"
    text += f"packages {' '.join(packages)}\n"
    body = zip_entries(iter([(MARKER, text.encode(), False)]))
    return Asset(name, f"packages/{hashlib.sha256(body).hexdigest()[:32]}.zip", body)


def _location(kind: str, bucket: str, key: str) -> str | dict[str, str]:
    if kind.startswith("AWS::Lambda::"):
        return {"S3Bucket": bucket, "S3Key": key}
    return f"s3://{bucket}/{key}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
