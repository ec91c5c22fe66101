"""Packages depend on content alone, and the packaged template points at them."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from sluice.errors import CliError
from sluice.packaging import MARKER, content_hash, files_below, package, read_template, zip_of

TEMPLATE = """
AWSTemplateFormatVersion: 2010-09-09
Transform: AWS::Serverless-2016-10-31
Resources:
  Core:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: python3.13}
    Properties: {ContentUri: core/src}
  Wheels:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: makefile}
    Properties: {ContentUri: wheels}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: work
      Layers: [!Ref Core]
      Environment: {Variables: {ARN: !GetAtt Table.Arn, NAME: !Sub "${AWS::StackName}-x"}}
  Table: {Type: AWS::DynamoDB::Table}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "core/src/pack/__init__.py": "x = 1\n",
        "core/src/pack/__pycache__/a.cpython-311.pyc": "junk",
        "wheels/Makefile": "build-Wheels:\n",
        "work/app.py": "def handler(event, context): ...\n",
        "template.yaml": TEMPLATE,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def names(body: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(body)).namelist()


def test_the_same_content_is_the_same_zip_whatever_its_times(project: Path) -> None:
    before = package(project / "template.yaml", "b", local=True)
    for path in project.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    after = package(project / "template.yaml", "b", local=True)
    assert [(a.key, a.body) for a in before.assets] == [(a.key, a.body) for a in after.assets]
    assert before.body == after.body


def test_another_content_is_another_key_and_only_there(project: Path) -> None:
    before = {asset.resource: asset.key for asset in package(project / "template.yaml", "b", local=True).assets}
    (project / "work" / "app.py").write_text("def handler(event, context): return 1\n")
    after = {asset.resource: asset.key for asset in package(project / "template.yaml", "b", local=True).assets}
    assert before["Work"] != after["Work"]
    assert before["Core"] == after["Core"]


def test_a_local_layer_names_the_packages_of_its_lock(project: Path) -> None:
    lock = "# comment\nPyYAML==6.0.3 \\\n    --hash=sha256:00\n    # via x\naws-lambda-powertools[all]==3.0 \\\n"
    (project / "wheels" / "requirements.txt").write_text(lock)
    (layer,) = (
        asset for asset in package(project / "template.yaml", "b", local=True).assets if asset.resource == "Wheels"
    )
    marker = zipfile.ZipFile(io.BytesIO(layer.body)).read(MARKER).decode()
    assert marker.splitlines()[-1] == "packages PyYAML aws-lambda-powertools"


def test_a_name_and_an_executable_bit_are_content(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    plain = content_hash(list(files_below(tmp_path)))
    (tmp_path / "run").chmod(0o755)
    executable = content_hash(list(files_below(tmp_path)))
    (tmp_path / "run").rename(tmp_path / "ran")
    renamed = content_hash(list(files_below(tmp_path)))
    assert len({plain, executable, renamed}) == 3
    mode = zipfile.ZipFile(io.BytesIO(zip_of(list(files_below(tmp_path))))).getinfo("ran").external_attr >> 16
    assert mode == 0o100755


def test_a_python_layer_gets_its_folder_and_no_caches(project: Path) -> None:
    assets = {asset.resource: asset for asset in package(project / "template.yaml", "b", local=True).assets}
    assert names(assets["Core"].body) == ["python/pack/__init__.py"]
    assert names(assets["Work"].body) == ["app.py"]


def test_a_built_layer_is_a_marker_here_and_refused_for_aws(project: Path) -> None:
    assets = {asset.resource: asset for asset in package(project / "template.yaml", "b", local=True).assets}
    assert names(assets["Wheels"].body) == [MARKER]
    with pytest.raises(CliError, match="Wheels") as caught:
        package(project / "template.yaml", "b", local=False)
    assert "sam build && sam deploy" in caught.value.remedy


def test_the_template_points_at_the_packages_and_keeps_its_intrinsics(project: Path) -> None:
    packed = package(project / "template.yaml", "bucket", local=True)
    properties = packed.template["Resources"]["Work"]["Properties"]
    key = next(asset.key for asset in packed.assets if asset.resource == "Work")
    assert properties["CodeUri"] == f"s3://bucket/{key}"
    assert properties["Layers"] == [{"Ref": "Core"}]
    assert properties["Environment"]["Variables"] == {
        "ARN": {"Fn::GetAtt": ["Table", "Arn"]},
        "NAME": {"Fn::Sub": "${AWS::StackName}-x"},
    }
    assert packed.template["AWSTemplateFormatVersion"] == "2010-09-09"


def test_plain_lambda_resources_get_bucket_and_key(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.py").write_text("")
    (tmp_path / "t.yaml").write_text("Resources: {F: {Type: AWS::Lambda::Function, Properties: {Code: f}}}")
    packed = package(tmp_path / "t.yaml", "b", local=False)
    code = packed.template["Resources"]["F"]["Properties"]["Code"]
    assert code == {"S3Bucket": "b", "S3Key": packed.assets[0].key}


@pytest.mark.parametrize(
    ("text", "said"),
    [("Resources: [", "not valid YAML"), ("a: 1", "no Resources"), ("", "no Resources")],
)
def test_what_is_no_template_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(CliError, match=said):
        read_template(path)


def test_a_folder_that_is_not_there_is_named(project: Path) -> None:
    (project / "work" / "app.py").unlink()
    with pytest.raises(CliError, match="empty"):
        package(project / "template.yaml", "b", local=True)
    (project / "work").rmdir()
    with pytest.raises(CliError, match=r"Work names .*work"):
        package(project / "template.yaml", "b", local=True)


def test_the_projects_own_template_packages_for_the_local_region() -> None:
    root = Path(__file__).resolve().parents[3]
    packed = package(root / "template.yaml", "b", local=True)
    kinds = {name: item["Type"] for name, item in packed.template["Resources"].items()}
    functions = [name for name, kind in kinds.items() if kind == "AWS::Serverless::Function"]
    assert len(functions) >= 9
    for name in functions:
        properties = packed.template["Resources"][name]["Properties"]
        assert str(properties["CodeUri"]).startswith("s3://b/packages/")
