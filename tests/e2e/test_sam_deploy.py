"""The real SAM CLI onto the region: build, create, update, no change, delete."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion

pytestmark = pytest.mark.e2e

TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Description: Says a word to whoever asks
Parameters:
  Greeting: {Type: String, Default: hello, AllowedValues: [hello, bye]}
Resources:
  Dropped: {Type: AWS::SQS::Queue}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src
      Handler: app.handler
      Runtime: RUNTIME
      Policies: [{SQSSendMessagePolicy: {QueueName: !GetAtt Dropped.QueueName}}]
      Environment: {Variables: {GREETING: !Ref Greeting}}
      Events:
        Get: {Type: Api, Properties: {Path: "/echo/{name}", Method: get}}
Outputs:
  Url: {Value: !Sub "https://${ServerlessRestApi}.execute-api.${AWS::Region}.amazonaws.com/Prod/echo"}
"""
CODE = """\
import os

def handler(event, context):
    return {"statusCode": 200, "body": os.environ["GREETING"] + " " + event["pathParameters"]["name"]}
"""
Sam = Callable[..., str]


@pytest.fixture
def sam(region: RunningRegion, tmp_path: Path) -> Sam:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))} | {
        "AWS_ENDPOINT_URL": region.endpoint,
        "AWS_ACCESS_KEY_ID": region.access_key_id,
        "AWS_SECRET_ACCESS_KEY": region.secret_access_key,
        "AWS_DEFAULT_REGION": region.region_name,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.2",
        "HOME": str(tmp_path),
    }
    program = Path(sys.executable).with_name("sam")

    def run(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(program), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, (
            f"sam {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout + done.stderr

    return run


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def test_create_update_no_change_delete(region: RunningRegion, sam: Sam, tmp_path: Path) -> None:
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (tmp_path / "template.yaml").write_text(TEMPLATE.replace("RUNTIME", runtime))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text(CODE)
    region.client("s3").create_bucket(Bucket="sam-deployments")
    deploy = (
        *("deploy", "--stack-name", "word", "--s3-bucket", "sam-deployments", "--capabilities", "CAPABILITY_IAM"),
        *("--no-confirm-changeset", "--no-fail-on-empty-changeset"),
    )
    sam("build")
    assert "Successfully created/updated stack - word" in sam(*deploy)
    stack = region.client("cloudformation").describe_stacks(StackName="word")["Stacks"][0]
    url = stack["Outputs"][0]["OutputValue"]
    assert url.startswith(f"{region.endpoint}/_api/")
    assert get(f"{url}/you") == "hello you"

    assert "Successfully created/updated" in sam(*deploy, "--parameter-overrides", "Greeting=bye")
    assert get(f"{url}/you") == "bye you"

    assert "No changes to deploy" in sam(*deploy, "--parameter-overrides", "Greeting=bye")
    assert "must be one of AllowedValues" in sam(*deploy, "--parameter-overrides", "Greeting=what", code=1)

    assert "Deleted successfully" in sam(
        "delete", "--stack-name", "word", "--no-prompts", "--region", region.region_name
    )
    with pytest.raises(ClientError, match="Stack with id word does not exist"):
        region.client("cloudformation").describe_stacks(StackName="word")


def test_unsupported_resources_stop_the_deploy(region: RunningRegion, sam: Sam, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(
        "Resources: {V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}}\n"
    )
    region.client("s3").create_bucket(Bucket="sam-refused")
    said = sam("deploy", "--stack-name", "refused", "--s3-bucket", "sam-refused", "--no-confirm-changeset", code=1)
    assert "Unrecognized resource types: [AWS::EC2::VPC]" in said
