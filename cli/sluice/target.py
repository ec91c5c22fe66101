"""What a command talks to: the local region of this folder, or an AWS account. And the stack in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sluice import regions
from sluice.errors import CliError

DEFAULT_STACK = "sluicegate"


@dataclass
class Target:
    """One account's stack. ``info`` is the local region, or None on AWS."""

    stack_name: str = DEFAULT_STACK
    profile: str | None = None
    region_name: str | None = None
    state_dir: Path = field(default_factory=regions.find_state_dir)
    info: regions.RegionInfo | None = None

    @property
    def is_local(self) -> bool:
        return self.info is not None

    @property
    def title(self) -> str:
        if self.info:
            return f"local region {self.info.endpoint}"
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            return f"what AWS_ENDPOINT_URL names, {endpoint}"
        return f"AWS region {self.session.region_name or '(none set)'}"

    @cached_property
    def session(self) -> Any:
        import boto3

        if self.info:
            return boto3.Session(
                aws_access_key_id=self.info.access_key_id,
                aws_secret_access_key=self.info.secret_access_key,
                region_name=self.info.region,
            )
        return boto3.Session(profile_name=self.profile, region_name=self.region_name)

    def client(self, service: str) -> Any:
        """A boto3 client of this target. Made anew each time: cheap enough for one command, and thread-safe."""
        from botocore.config import Config

        if self.info is None:
            return self.session.client(service)
        # Proxies are for the outside world, and a local answer that fails is a fact, not a hiccup.
        config = Config(proxies={}, retries={"max_attempts": 2}, s3={"addressing_style": "path"})
        return self.session.client(service, endpoint_url=self.info.endpoint, config=config)

    @cached_property
    def account_id(self) -> str:
        if self.info:
            return self.info.account_id
        return str(self.client("sts").get_caller_identity()["Account"])

    def resources(self) -> Iterator[dict[str, Any]]:
        """All of the stack's resources, page by page: DescribeStackResources ends at a hundred."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        for page in pages.paginate(StackName=self.stack_name):
            yield from page["StackResourceSummaries"]

    def describe_stack(self) -> dict[str, Any] | None:
        """The stack as CloudFormation describes it, or None when it doesn't exist."""
        from botocore.exceptions import ClientError

        try:
            answer = self.client("cloudformation").describe_stacks(StackName=self.stack_name)
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return dict(answer["Stacks"][0])

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs. ``CliError`` when there is no such stack or it is not ready."""
        stack = self.describe_stack()
        if stack is None:
            raise CliError(
                f"There is no stack {self.stack_name} in the {self.title}.",
                "`sluice deploy` makes it." if self.is_local else "Name it with --stack-name, or deploy it first.",
            )
        if not stack.get("Outputs"):
            raise CliError(
                f"The stack {self.stack_name} has no outputs; its state is {stack['StackStatus']}.",
                "`sluice deploy` again, or look at `aws cloudformation describe-stack-events`.",
            )
        return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}

    def output(self, key: str) -> str:
        try:
            return self.outputs[key]
        except KeyError:
            raise CliError(
                f"The stack {self.stack_name} has no output {key}.", "It is of another application, or of an old one."
            ) from None

    @cached_property
    def api_key(self) -> str:
        return self._key("ApiKeyId")

    @cached_property
    def admin_api_key(self) -> str:
        """The key of those who may change what serves."""
        return self._key("AdminApiKeyId")

    def _key(self, output: str) -> str:
        answer = self.client("apigateway").get_api_key(apiKey=self.output(output), includeValue=True)
        return str(answer["value"])

    @property
    def api_url(self) -> str:
        return self.output("ApiUrl").rstrip("/")

    @property
    def bucket(self) -> str:
        return self.output("DataBucket")


def choose(
    state_dir: str | None, stack_name: str | None, profile: str | None, region_name: str | None, on_aws: bool
) -> Target:
    """The target that the options and the folder mean.

    A region that runs in the state folder is used. ``--aws`` and ``--profile`` mean AWS. A state folder whose region
    died is an error rather than AWS: nobody who works locally wants to be sent to an account with a bill.
    """
    folder = regions.find_state_dir(state_dir)
    target = Target(
        stack_name=stack_name or os.environ.get("SLUICE_STACK_NAME") or DEFAULT_STACK,
        profile=profile,
        region_name=region_name,
        state_dir=folder,
    )
    if on_aws or profile:
        _refuse_settings_of_a_region()
        return target
    info = regions.running(folder)
    if info is not None:
        target.info = info
    elif regions.read_info(folder) is not None:
        raise CliError(
            f"The local region of {folder} is not running any more.",
            "Start it with `sluice up`, or add --aws (or --profile NAME) to mean your AWS account.",
        )
    return target


def _refuse_settings_of_a_region() -> None:
    """After ``eval "$(sluice env)"`` every AWS client of the shell goes to a local region, also those meant for AWS."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if urlsplit(endpoint).hostname in {"127.0.0.1", "localhost", "::1"}:
        raise CliError(
            f"AWS is meant, but this shell is set to a local region (AWS_ENDPOINT_URL={endpoint}).",
            "Open a new shell, or: unset AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY",
        )
