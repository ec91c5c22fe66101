"""The project itself with the SAM CLI as its documents say: validate, build, deploy, use, update, and take down."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.test_layers import LAYERS, every_function_fits
from tests.support.application import Application, eventually
from tests.support.region import RunningRegion, running_region

ROOT = Path(__file__).resolve().parents[2]
STACK = "sluicegate"
LOCAL = ("--config-env", "local")

pytestmark = pytest.mark.e2e


@dataclass
class Project:
    """A copy of the checkout, and a shell in it that is set up as the quick start says."""

    folder: Path
    region: RunningRegion
    application: Application

    def shell(self, command: str, seconds: float = 120) -> str:
        """What ``command`` printed; it must succeed."""
        exports = self.application.sluice("env").stdout
        settings = {"SAM_CLI_POLL_DELAY": "0.5", "SAM_CLI_TELEMETRY": "0"}
        done = subprocess.run(
            ["/bin/bash", "-c", f"set -e -o pipefail\n{exports}\n{command}"],
            cwd=self.folder,
            env={**self.application.env, **settings},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0, f"{command} ended with {done.returncode}\n{printed}\n{self.region.log_tail()}"
        return printed

    def sam(self, *arguments: str) -> str:
        return self.shell(" ".join(("sam", *arguments)))

    def stack(self) -> dict[str, Any]:
        found = self.region.client("cloudformation").describe_stacks(StackName=STACK)
        stack: dict[str, Any] = found["Stacks"][0]
        return stack

    def outputs(self) -> dict[str, str]:
        return {item["OutputKey"]: item["OutputValue"] for item in self.stack()["Outputs"]}

    def configuration(self, function: str) -> dict[str, Any]:
        cloudformation = self.region.client("cloudformation")
        resource = cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId=function)
        name = resource["StackResourceDetail"]["PhysicalResourceId"]
        found: dict[str, Any] = self.region.client("lambda").get_function_configuration(FunctionName=name)
        return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("checkout") / "sluicegate"
    folder.mkdir()
    for name in ("functions", "layers", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copy(ROOT / name, folder / name)
    state_dir = tmp_path_factory.mktemp("region")
    with running_region(state_dir) as region:
        yield Project(folder, region, Application(state_dir))


def refusal(url: str, key: str = "") -> tuple[int, dict[str, Any], Any]:
    """Status, headers and JSON of an answer that is none of 2xx."""
    request = urllib.request.Request(url, headers={"x-api-key": key} if key else {})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)
    return caught.value.code, dict(caught.value.headers), json.load(caught.value)


def drop_the_example(project: Project) -> dict[str, Any]:
    """The example's model, once a version of it is live."""
    project.shell("aws s3 cp --quiet examples/churn/churn.csv s3://$SLUICE_BUCKET/data/churn/churn.csv")

    def settled() -> dict[str, Any] | None:
        model = project.application.api.find("models/churn")
        return model if model and model["state"] in ("live", "failed") else None

    model = eventually(settled, 150, "the example's model is live")
    assert model["state"] == "live", model["message"]
    return model


# The steps follow each other, as they do for a person.


def test_the_template_is_valid_without_a_warning(project: Project) -> None:
    said = project.sam("validate", "--lint", *LOCAL)
    assert "is a valid SAM Template" in said
    assert not re.search(r"\bwarning\b|\b[WEI]\d{4}\b", said, re.IGNORECASE), said


def test_it_is_built_and_deployed(project: Project) -> None:
    assert "Build Succeeded" in project.sam("build", *LOCAL)
    built = project.folder / ".aws-sam" / "build"
    assert (built / "CoreLayer" / "python" / "sluicegate" / "ports.py").is_file()
    assert (built / "DataDependenciesLayer" / "python" / "duckdb").is_dir()
    assert (built / "CommonDependenciesLayer" / "python" / "pydantic").is_dir()
    every_function_fits({name: built / name for name in LAYERS}, "x86_64")
    assert "Successfully created/updated stack" in project.sam("deploy", *LOCAL)
    assert project.stack()["StackStatus"] == "CREATE_COMPLETE"
    variables = project.configuration("IngestDataFunction")["Environment"]["Variables"]
    assert variables["DEFAULT_QUIET_PERIOD_SECONDS"] == "0"


def test_the_example_becomes_a_model_that_predicts(project: Project) -> None:
    model = drop_the_example(project)
    assert model["live_version"] == 1
    application = project.application
    record = json.loads((project.folder / "examples/churn/record.json").read_text())
    answer = application.predict("churn", *record["records"])
    assert answer["version"] == 1
    assert sum(answer["predictions"][0]["probabilities"].values()) == pytest.approx(1)


def test_the_gateway_refuses_in_the_api_s_form(project: Project) -> None:
    url = project.outputs()["ApiUrl"]
    for path, status in (("models", 403), ("no/such/path", 404)):
        code, headers, problem = refusal(f"{url}/{path}")
        assert code == problem["status"] == status
        assert headers["Content-Type"] == "application/problem+json"
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert problem["detail"]
        assert problem["request_id"]


def test_a_changed_parameter_and_a_changed_function_are_an_update(project: Project) -> None:
    app = project.folder / "functions/manage_models/app.py"
    app.write_text(app.read_text() + "\n# another line\n")
    before = project.configuration("ManageModelsFunction"), project.configuration("ServeWebFunction")
    overrides = '--parameter-overrides "QuietPeriodSeconds=0 CorsAllowOrigin=https://example.com"'
    project.sam("build", *LOCAL)
    assert "Successfully created/updated stack" in project.sam("deploy", *LOCAL, overrides)
    assert project.stack()["StackStatus"] == "UPDATE_COMPLETE"
    after = project.configuration("ManageModelsFunction"), project.configuration("ServeWebFunction")
    assert after[0]["CodeSha256"] != before[0]["CodeSha256"]
    assert after[1]["CodeSha256"] == before[1]["CodeSha256"]
    assert after[1]["Environment"]["Variables"]["CORS_ALLOW_ORIGIN"] == "https://example.com"
    with urllib.request.urlopen(f"{project.outputs()['ApiUrl']}/openapi.json", timeout=20) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "https://example.com"
    assert "No changes to deploy" in project.sam("deploy", *LOCAL, overrides)
    assert project.application.api.get("models/churn")["live_version"] == 1


def test_what_the_outputs_print_takes_everything_down(project: Project) -> None:
    outputs, region = project.outputs(), project.region
    sagemaker = region.client("sagemaker")
    bystander = {"ModelName": f"not-{STACK}-model", "ExecutionRoleArn": "arn:aws:iam::123456789012:role/other"}
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
    sagemaker.create_model(**bystander, PrimaryContainer={"Image": image, "ModelDataUrl": "s3://other/model.tar.gz"})
    assert [item["EndpointName"] for item in sagemaker.list_endpoints()["Endpoints"]] == ["sluicegate-churn"]

    project.shell(outputs["StopJobs"])
    project.shell(outputs["TearDown"])
    eventually(lambda: sagemaker.list_endpoints()["Endpoints"] == [], 60, "the endpoint is gone")
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert [item["ModelName"] for item in sagemaker.list_models()["Models"]] == [bystander["ModelName"]]
    with pytest.raises(ClientError, match="does not exist"):
        project.stack()
    assert region.client("lambda").list_functions()["Functions"] == []

    bucket, table = outputs["DataBucket"], outputs["RegistryTable"]
    listed = region.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"]
    assert listed > 0, "the data outlive the stack"
    assert region.client("dynamodb").describe_table(TableName=table)["Table"]["ItemCount"] > 0
    project.shell(outputs["DeleteData"])
    assert bucket not in [item["Name"] for item in region.client("s3").list_buckets()["Buckets"]]
    assert table not in region.client("dynamodb").list_tables()["TableNames"]


def test_a_stack_made_again_starts_anew_with_the_same_file(project: Project) -> None:
    """SageMaker still has the training job and the package of the stack before."""
    project.sam("deploy", *LOCAL)
    project.application = Application(project.application.state_dir)
    model = drop_the_example(project)
    assert model["last_run"]["status"] == "live"
    jobs = project.region.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert len([job for job in jobs if job["TrainingJobName"].startswith(f"{STACK}-churn-")]) == 2
