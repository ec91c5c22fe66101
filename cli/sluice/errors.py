"""What the command says when something is wrong: one sentence what, one sentence what to do."""

from __future__ import annotations

import click


class CliError(click.ClickException):
    """An error for the person at the terminal.

    ``what`` is one sentence, ``remedy`` says what to do about it (may be empty), ``exit_code`` is the process's.
    """

    def __init__(self, what: str, remedy: str = "", exit_code: int = 1) -> None:
        super().__init__(what)
        self.remedy = remedy
        self.exit_code = exit_code

    def format_message(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message


def translate(error: BaseException) -> CliError | None:
    """An AWS client's error in the words above, or None when it isn't one that has words."""
    from botocore import exceptions as aws

    if isinstance(error, aws.NoCredentialsError | aws.PartialCredentialsError):
        return CliError(
            "There are no AWS credentials, and no local region runs here.",
            "Start the local region with `sluice up`, or name an AWS profile with --profile.",
        )
    if isinstance(error, aws.NoRegionError):
        return CliError(
            "No local region runs here, and no AWS region is set.",
            "Start the local region with `sluice up`; for AWS add --region, or set AWS_DEFAULT_REGION.",
        )
    if isinstance(error, aws.ProfileNotFound):
        return CliError(f"{error}.".replace("..", "."), "`aws configure list-profiles` lists those that exist.")
    if isinstance(error, aws.EndpointConnectionError | aws.ConnectTimeoutError | aws.ConnectionClosedError):
        return CliError(
            f"AWS can't be reached: {error}", "If this is the local region: `sluice status`, then `sluice up`."
        )
    if isinstance(error, aws.ClientError):
        detail = error.response.get("Error", {})
        return CliError(
            f"{error.operation_name} was refused: {detail.get('Message') or detail.get('Code', 'no reason given')}",
            "`sluice --debug …` shows the whole exchange.",
        )
    if isinstance(error, aws.BotoCoreError):
        return CliError(f"The AWS client failed: {error}", "`sluice --debug …` shows where.")
    return None
