"""What pages of docs/ say of the template, the region and the API is so; nothing is started for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests

from local_region.sagemaker import service as sagemaker
from sluice.packaging import read_template
from sluicegate.domain.settings import ModelSettings, parse_settings
from sluicegate.services.predict import LIMITS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TEMPLATE = read_template(ROOT / "template.yaml")
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table below ``heading``, without its head."""
    text = (DOCS / page).read_text().split(f"{heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\|\n)+", text, re.M)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]]


def code(page: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.S)
    assert found is not None
    return found[1]


def allowed(function: str) -> set[str]:
    """The actions that the function's policies allow, by the folder of its code."""
    resource = next(
        item for item in RESOURCES.values() if item["Properties"].get("CodeUri") == f"functions/{function}/"
    )
    actions: set[str] = set()
    for policy in resource["Properties"]["Policies"]:
        for statement in policy["Statement"]:
            found = statement["Action"]
            actions |= set(found if isinstance(found, list) else [found])
    return actions


def test_the_steps_of_a_run_are_calls_that_the_functions_may_make() -> None:
    steps = [(row[1].strip("`"), row[2].strip("`")) for row in rows("sagemaker.md", "## One run")]
    assert len(steps) > 8
    for function, call in steps:
        assert (ROOT / "functions" / function / "app.py").is_file()
        assert not call or f"sagemaker:{call}" in allowed(function), f"{function} may not call {call}"


def test_the_parameters_of_a_deployment_are_the_templates() -> None:
    listed: dict[str, str] = {}
    for row in rows("aws.md", "## Deploy"):
        names = [name.strip(" `") for name in row[0].split(",")]
        values = [value.strip(" `") for value in row[1].split(",")]
        listed |= dict(zip(names, values, strict=True))
    real = {name: str(item["Default"]) or "none" for name, item in TEMPLATE["Parameters"].items()}
    assert listed == real


def settings_in(page: Path) -> list[str]:
    """Pieces of model.yaml: blocks of YAML; indented lines and code in sentences that begin with one of its keys."""
    text, keys = page.read_text(), "|".join(ModelSettings.model_fields)
    found: list[str] = re.findall(r"```yaml\n(.*?)```", text, re.S)
    found += re.findall(rf"^ {{4}}((?:{keys}): .+)$", text, re.M)
    return found + [piece.replace("\n", " ") for piece in re.findall(rf"`((?:{keys}): [^`]+)`", text)]


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_settings_on_a_page_are_accepted(page: Path) -> None:
    for piece in settings_in(page):
        parse_settings(piece)


def test_who_deploys_is_told_of_every_service() -> None:
    said = (DOCS / "aws.md").read_text()
    titles = {
        "ApiGateway": "API Gateway",
        "CloudWatch": "CloudWatch",
        "DynamoDB": "DynamoDB",
        "IAM": "IAM",
        "Logs": "CloudWatch Logs",
        "S3": "S3",
        "SNS": "SNS",
        "SQS": "SQS",
        "SageMaker": "SageMaker",
        "SecretsManager": "Secrets Manager",
        "Serverless": "Lambda",
    }
    for kind in {item["Type"].split("::")[1] for item in RESOURCES.values()}:
        assert titles[kind] in said


def test_the_stacks_own_alarms_are_counted() -> None:
    alarms = [item for item in RESOURCES.values() if item["Type"] == "AWS::CloudWatch::Alarm"]
    assert f"its {len(alarms)} alarms" in (DOCS / "cost.md").read_text()


def test_every_operation_of_the_regions_sagemaker_is_listed() -> None:
    table = " ".join(" ".join(row) for row in rows("sagemaker-in-the-region.md", "## What is there"))
    source = Path(sagemaker.__file__).read_text()
    operations = re.findall(r'^ +"([A-Z]\w+)": self\.|^ +"([A-Z]\w+)": (?:search|tagging)\.', source, re.M)
    names = {first or second for first, second in operations}
    assert len(names) > 50
    refused = {"CreatePresignedNotebookInstanceUrl"}  # there to say why
    for name in names - refused:
        verb, thing = re.fullmatch("((?:BatchDescribe|[A-Z][a-z]+))(.*)", name).groups()  # type: ignore[union-attr]
        told = name in table or (verb in table and re.search(rf"\b{thing.removesuffix('s')}\b", table))
        assert told, f"{name} is not in docs/sagemaker-in-the-region.md"


def test_the_index_has_every_page_and_every_decision_once() -> None:
    index = (DOCS / "index.md").read_text()
    for page in DOCS.glob("*.md"):
        assert page.name == "index.md" or index.count(f"]({page.name})") == 1, page.name
    listed = re.findall(r"^(\d+)\. \[(.*)\]\(decisions/(.*)\)$", index, re.M)
    assert [int(number) for number, _, _ in listed] == sorted({int(number) for number, _, _ in listed})
    assert sorted(name for _, _, name in listed) == sorted(path.name for path in (DOCS / "decisions").glob("*.md"))
    for number, title, name in listed:
        assert name.startswith(f"{int(number):04d}-")
        assert (DOCS / "decisions" / name).read_text().startswith(f"# {number}. {title}\n"), name


def test_the_limits_of_a_request() -> None:
    said = f"{LIMITS.records:,} records and {LIMITS.bytes >> 20} MiB a request"
    assert said in (DOCS / "api.md").read_text()
    document = (ROOT / "functions/serve_web/site/openapi.json").read_text()
    assert f"1 to {LIMITS.records:,} records, at most {LIMITS.bytes >> 20} MiB." in document


class Answer:
    def __init__(self, status: int, body: dict[str, Any], **headers: str) -> None:
        self.status_code, self.headers, self._body = status, {k.replace("_", "-"): v for k, v in headers.items()}, body

    def json(self) -> dict[str, Any]:
        return self._body


def test_the_python_of_the_api_page(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    slept: list[float] = []
    answers = [
        Answer(202, {"state": "waking"}, Retry_After="15"),
        Answer(429, {"detail": "too many"}),
        Answer(200, {"predictions": [{"prediction": "yes"}]}),
    ]

    def post(url: str, **given: Any) -> Answer:
        asked.append((url, given))
        return answers.pop(0)

    monkeypatch.setenv("SLUICE_API_URL", "https://api.example/v1")
    monkeypatch.setenv("SLUICE_API_KEY", "k")
    monkeypatch.setattr(requests, "post", post)
    monkeypatch.setattr("time.sleep", slept.append)
    made: dict[str, Any] = {}
    exec(code("api.md", "python"), made)
    assert made["predict"]("churn", [{"months": 3}], subject="ann") == [{"prediction": "yes"}]
    assert slept == [15.0, 2.0]
    assert {url for url, _ in asked} == {"https://api.example/v1/models/churn/predictions"}
    assert asked[0][1]["headers"] == {"x-api-key": "k", "X-Subject": "ann"}
    answers.append(Answer(400, {"detail": "1 value can't be used.", "errors": [{"field": "months"}]}))
    with pytest.raises(ValueError, match=r"400 1 value can't be used.*months"):
        made["predict"]("churn", [{"months": "x"}])
