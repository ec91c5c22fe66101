"""Lambda's operations beyond calling a function, as SDKs and tools use them."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion

NAME = "only-described"


@pytest.fixture(scope="module")
def client(region: RunningRegion) -> Any:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("m.py", "def h(event, context): return event")
    found = region.client("lambda")
    found.create_function(
        FunctionName=NAME,
        Runtime="python3.13",
        Role="arn:aws:iam::123456789012:role/r",
        Handler="m.h",
        Code={"ZipFile": archive.getvalue()},
    )
    return found


def test_a_dry_run_answers_without_content(client: Any) -> None:
    answer = client.invoke(FunctionName=NAME, InvocationType="DryRun")
    assert (answer["StatusCode"], answer["Payload"].read()) == (204, b"")


def test_waiters_find_it_ready(client: Any) -> None:
    for waiter in ("function_exists", "function_active_v2", "function_updated_v2"):
        client.get_waiter(waiter).wait(FunctionName=NAME)


def test_a_change_of_what_has_changed_since_is_refused(client: Any) -> None:
    seen = client.get_function_configuration(FunctionName=NAME)["RevisionId"]
    changed = client.update_function_configuration(FunctionName=NAME, Timeout=10, RevisionId=seen)
    assert (changed["Timeout"], changed["RevisionId"] == seen) == (10, False)
    with pytest.raises(ClientError, match="does not match the latest Revision Id") as caught:
        client.update_function_configuration(FunctionName=NAME, Timeout=20, RevisionId=seen)
    assert caught.value.response["Error"]["Code"] == "PreconditionFailedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def test_it_has_its_latest_version_and_no_alias(client: Any) -> None:
    (only,) = client.list_versions_by_function(FunctionName=NAME)["Versions"]
    assert (only["Version"], only["FunctionArn"].rsplit(":", 1)[1]) == ("$LATEST", "$LATEST")
    assert client.list_aliases(FunctionName=NAME)["Aliases"] == []


def test_its_invoke_configs_are_listed(client: Any) -> None:
    assert client.list_function_event_invoke_configs(FunctionName=NAME)["FunctionEventInvokeConfigs"] == []
    client.put_function_event_invoke_config(FunctionName=NAME, MaximumRetryAttempts=1)
    (one,) = client.list_function_event_invoke_configs(FunctionName=NAME)["FunctionEventInvokeConfigs"]
    assert one["MaximumRetryAttempts"] == 1


def test_a_token_that_is_none_is_refused(client: Any) -> None:
    with pytest.raises(ClientError, match=r"InvalidParameterValueException.*pagination token"):
        client.list_functions(Marker="none")
