"""The parts of the command that need no region: addresses, quoting, logs, dead letters, records, parameters."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console
from rich.file_proxy import FileProxy

from sluice import logbook, output, redriving, regions, target
from sluice.api import ApiError
from sluice.commands.models import beside_text, metrics_text, prediction_text, read_records, record_of
from sluice.commands.region import export_lines, summary
from sluice.deploying import Step, refuse_unfit, stack_parameters
from sluice.errors import CliError, translate
from sluice.watching import TrainingProgress, example_record

INFO = {
    "endpoint": "http://127.0.0.1:4566",
    "pid": os.getpid(),
    "port": 4566,
    "region": "us-east-1",
    "account_id": "123456789012",
    "access_key_id": "AK",
    "secret_access_key": "SK",
    "started_at": "2026-03-01T10:00:00Z",
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLUICE_STATE_DIR", "SLUICE_STACK_NAME", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def test_the_state_folder_is_found_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert regions.find_state_dir(start=deep) == deep / ".sluice"
    (tmp_path / ".sluice").mkdir()
    assert regions.find_state_dir(start=deep) == tmp_path / ".sluice"
    monkeypatch.setenv("SLUICE_STATE_DIR", str(tmp_path / "named"))
    assert regions.find_state_dir(start=deep) == tmp_path / "named"
    assert regions.find_state_dir(str(tmp_path / "given"), deep) == tmp_path / "given"


def test_half_a_region_json_is_none(tmp_path: Path) -> None:
    assert regions.read_info(tmp_path) is None
    (tmp_path / "region.json").write_text('{"endpoint": "http')
    assert regions.read_info(tmp_path) is None
    (tmp_path / "region.json").write_text(json.dumps(INFO))
    found = regions.read_info(tmp_path)
    assert found is not None
    assert (found.endpoint, found.state_dir) == ("http://127.0.0.1:4566", tmp_path)


def test_a_process_id_that_another_program_has_is_no_region(tmp_path: Path) -> None:
    (tmp_path / "region.json").write_text(json.dumps(INFO))
    if Path("/proc/self/cmdline").exists():
        assert regions.running(tmp_path) is None  # this is pytest


def test_a_dead_region_is_an_error_and_never_aws(tmp_path: Path) -> None:
    (tmp_path / "region.json").write_text(json.dumps(INFO | {"pid": 2**22 + 1}))
    with pytest.raises(CliError, match="not running any more") as caught:
        target.choose(str(tmp_path), None, None, None, on_aws=False)
    assert "sluice up" in caught.value.remedy
    assert not target.choose(str(tmp_path), None, None, None, on_aws=True).is_local
    assert not target.choose(str(tmp_path), None, "work", None, on_aws=False).is_local


def test_a_shell_that_is_set_to_a_region_is_not_taken_for_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    with pytest.raises(CliError, match="set to a local region") as caught:
        target.choose(str(tmp_path), None, None, None, on_aws=True)
    assert "unset AWS_ENDPOINT_URL" in caught.value.remedy
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://vpce-1.example")
    assert not target.choose(str(tmp_path), None, None, None, on_aws=True).is_local


def test_memory_counts_this_process() -> None:
    found = regions.memory(os.getpid())
    if found:
        assert found[0][0] == os.getpid()
        assert found[0][2] > 5


def test_the_shell_reads_back_what_env_prints() -> None:
    nasty = 'a\'b $HOME "c" \\ d;`e`'
    script = "\n".join(export_lines({"SLUICE_API_KEY": nasty}, "sh")) + '\nprintf %s "$SLUICE_API_KEY"'
    shown = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout == nasty
    assert export_lines({"A": "it's"}, "fish") == ["set -gx A 'it\\'s';"]


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400)])
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert logbook.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "1w", "-1s"])
def test_no_length_of_time(text: str) -> None:
    with pytest.raises(CliError, match="not a length of time"):
        logbook.seconds_of(text)


def test_structured_lines_become_readable() -> None:
    line = json.dumps(
        {
            "level": "INFO",
            "message": "accepted",
            "timestamp": "t",
            "service": "s",
            "model": "churn",
            "rows": 5,
            "why": "a b",
        }
    )
    assert logbook.pretty_text(line) == 'INFO accepted model=churn rows=5 why="a b"'
    assert logbook.pretty_text("START RequestId: 1") == "START RequestId: 1"
    assert logbook.pretty_text("{broken") == "{broken"
    with_stack = json.dumps({"level": "ERROR", "message": "no", "exception": "Traceback\n  x"})
    assert logbook.pretty_text(with_stack) == "ERROR no \nTraceback\n  x"


def test_a_queues_letter_goes_back_to_the_queue() -> None:
    where, _ = redriving.place("{}", {}, "http://x/000/train", "")
    assert where == redriving.Destination("queue", "http://x/000/train", "{}")
    assert where.title == "train"


def test_an_undelivered_event_goes_to_its_function() -> None:
    arn = "arn:aws:lambda:us-east-1:1:function:track"
    where, why = redriving.place('{"id": 1}', {"TARGET_ARN": arn, "ERROR_MESSAGE": "throttled"}, "", "")
    assert (where, why) == (redriving.Destination("function", arn, '{"id": 1}'), "throttled")


def test_a_failed_calls_payload_goes_to_its_function_without_the_version() -> None:
    record = {
        "requestContext": {"functionArn": "arn:aws:lambda:r:1:function:f:$LATEST", "condition": "RetriesExhausted"},
        "requestPayload": {"a": 1},
        "responsePayload": {"errorMessage": "boom"},
    }
    where, why = redriving.place(json.dumps(record), {}, "", "")
    assert where == redriving.Destination("function", "arn:aws:lambda:r:1:function:f", '{"a": 1}')
    assert why == "boom"


class Aws:
    """A target's clients: one dead letter, found by whoever waits for SQS to ask all of its servers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.messages = [{"Body": str(number), "ReceiptHandle": str(number)} for number in range(12)]

    def client(self, _service: str) -> Aws:
        return self

    def resources(self) -> Iterator[dict[str, str]]:
        for name in ("a", "b"):
            yield {"ResourceType": "AWS::Lambda::Function", "LogicalResourceId": name, "PhysicalResourceId": name}

    def receive_message(self, *, MaxNumberOfMessages: int, WaitTimeSeconds: int, **_: Any) -> dict[str, Any]:
        if not WaitTimeSeconds:
            return {}
        found, self.messages = self.messages[:MaxNumberOfMessages], self.messages[MaxNumberOfMessages:]
        return {"Messages": found} if found else {}

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:
        self.asked.append(FunctionName)
        return {"DeadLetterConfig": {"TargetArn": "arn:q"}} if FunctionName == "b" else {}

    def describe_training_job(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeTrainingJob")


def test_all_letters_are_found_and_their_function_is_asked_for_once() -> None:
    aws = Aws()
    letters = redriving.collect(aws, "http://x/q", {"name": "q", "arn": "arn:q", "source": ""})  # type: ignore[arg-type]
    assert [letter.body for letter in letters] == [str(number) for number in range(12)]
    assert {letter.destination for letter in letters} == {
        redriving.Destination("function", "b", str(number)) for number in range(12)
    }
    assert aws.asked == ["a", "b"]


def test_who_may_not_look_into_sagemaker_watches_without_percent() -> None:
    assert TrainingProgress(Aws()).percent("sluicegate-churn-1f2e3d4c") is None  # type: ignore[arg-type]


def test_a_letter_without_an_address_stays() -> None:
    assert redriving.place("hello", {}, "", "")[0] is None
    where, why = redriving.place("hello", {"ErrorMessage": "timed out"}, "", "ingest")
    assert (where, why) == (redriving.Destination("function", "ingest", "hello"), "timed out")


def test_records_from_pairs_have_their_columns_types() -> None:
    columns = [
        {"name": "age", "type": "number"},
        {"name": "zip", "type": "category"},
        {"name": "ok", "type": "boolean"},
        {"name": "none", "type": "number"},
    ]
    record = record_of(("age=41", "zip=01234", "ok=TRUE", "none=", "odd=x=y"), columns)
    assert record == {"age": 41, "zip": "01234", "ok": True, "none": None, "odd": "x=y"}
    assert record_of(("age=old",), columns) == {"age": "old"}  # the API says what is wrong with it
    with pytest.raises(CliError, match="not KEY=VALUE"):
        record_of(("age",), columns)


@pytest.mark.parametrize("text", ['{"a": 1}', '[{"a": 1}]', '{"records": [{"a": 1}]}', '\ufeff{"a": 1}'])
def test_records_from_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    body, kind = read_records(str(path))
    assert (json.loads(body), kind) == ({"records": [{"a": 1}]}, "application/json")


def test_records_from_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"a": 1, "b": "x\u2028y"}\n\n{"a": 2}\n', encoding="utf-8")
    body, kind = read_records(str(path))
    assert (json.loads(body), kind) == ({"records": [{"a": 1, "b": "x\u2028y"}, {"a": 2}]}, "application/json")
    path.write_text('{"a": 1}\n\n{"a": }\n')
    with pytest.raises(CliError, match="not valid JSON: line 3: Expecting value"):
        read_records(str(path))
    path.write_text('{"a": 1} and more')
    with pytest.raises(CliError, match="not valid JSON: Extra data"):
        read_records(str(path))


def test_records_from_csv_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.csv"
    path.write_text("a,b\n1,2\n")
    assert read_records(str(path)) == (b"a,b\n1,2\n", "text/csv")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 2}')))
    assert json.loads(read_records("-")[0]) == {"records": [{"a": 2}]}
    with pytest.raises(CliError, match="no file"):
        read_records(str(tmp_path / "none.csv"))
    path.write_text(" \n")
    with pytest.raises(CliError, match="empty"):
        read_records(str(path))


def test_parameters_given_win_and_the_rest_keep_their_values() -> None:
    template: dict[str, dict[str, dict[str, str]]] = {"Parameters": {"A": {}, "B": {}}}
    stack = {"Parameters": [{"ParameterKey": "A"}, {"ParameterKey": "B"}, {"ParameterKey": "Gone"}]}
    assert stack_parameters(template, stack, {"A": "1"}) == [
        {"ParameterKey": "A", "ParameterValue": "1"},
        {"ParameterKey": "B", "UsePreviousValue": True},
    ]
    with pytest.raises(CliError, match="no parameter C") as caught:
        stack_parameters(template, None, {"C": "1"})
    assert caught.value.remedy == "It has: A, B."


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "DELETE_FAILED", "UPDATE_IN_PROGRESS"])
def test_a_stack_that_cant_be_updated_is_refused(status: str) -> None:
    with pytest.raises(CliError, match=status):
        refuse_unfit(target.Target(), {"StackStatus": status})


def test_a_stack_that_can_be_updated_is_not_refused() -> None:
    for stack in (None, {"StackStatus": "CREATE_COMPLETE"}, {"StackStatus": "REVIEW_IN_PROGRESS"}):
        refuse_unfit(target.Target(), stack)


def test_a_step_that_was_only_cancelled_is_not_the_reason() -> None:
    assert Step("A", "T", "CREATE_FAILED", "no such bucket").failed
    assert not Step("A", "T", "CREATE_FAILED", "Resource creation cancelled").failed
    assert not Step("A", "T", "CREATE_IN_PROGRESS").is_final


def test_aws_errors_become_sentences() -> None:
    from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

    refused = translate(ClientError({"Error": {"Code": "X", "Message": "not yours"}}, "DescribeStacks"))
    assert refused is not None
    assert refused.message == "DescribeStacks was refused: not yours"
    for error in (NoCredentialsError(), NoRegionError()):
        known = translate(error)
        assert known is not None
        assert "sluice up" in known.remedy
    assert translate(ValueError("x")) is None


def test_a_problem_of_the_api_names_every_mistake() -> None:
    problem: dict[str, Any] = {
        "title": "Bad records",
        "detail": "2 mistakes",
        "errors": [{"record": 0, "field": "age", "message": "is text"}, {"message": "too many"}],
    }
    error = ApiError(400, problem)
    assert error.message.splitlines() == [
        "Bad records (400): 2 mistakes",
        "  record 0, field age: is text",
        "  too many",
    ]


def test_an_example_record_has_features_only() -> None:
    detail = {
        "schema": {
            "columns": [
                {"name": "id", "type": "category", "example": "C1"},
                {"name": "age", "type": "number", "example": 4},
                {"name": "empty", "type": "number"},
                {"name": "y", "type": "category", "example": "no"},
            ],
            "target": "y",
            "id_column": "id",
        }
    }
    assert example_record(detail) == {"age": 4}


def test_what_an_event_is_about() -> None:
    created = {"detail": {"bucket": {"name": "b"}, "object": {"key": "data/m/a.csv"}}}
    assert summary(created) == "s3://b/data/m/a.csv"
    job = {"detail": {"TrainingJobName": "p-m-1", "TrainingJobStatus": "Completed"}}
    assert summary(job) == "p-m-1 Completed"


def test_metrics_in_a_row() -> None:
    assert metrics_text({"auc": {"value": 0.91234, "low": 0.9}, "n": 3}) == "auc 0.9123, n 3"
    assert metrics_text(None) == ""


@pytest.mark.parametrize(
    ("item", "said", "beside"),
    [
        ({"prediction": "yes", "probabilities": {"no": 0.25, "yes": 0.75}}, "yes", "no 0.250, yes 0.750"),
        ({"prediction": 2, "distance": 0.51234}, "2", "0.5123"),
        ({"prediction": 1.5, "anomaly": True}, "1.5", "yes"),
        ({"prediction": [0.123456, -2.0]}, "0.1235, -2", ""),
    ],
)
def test_whatever_an_algorithm_answers_is_shown(item: dict[str, Any], said: str, beside: str) -> None:
    assert (prediction_text(item["prediction"]), beside_text(item)) == (said, beside)


def test_a_spinner_changes_no_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    output.mark("done", "before")
    monkeypatch.setattr(sys, "stdout", FileProxy(Console(file=stream, force_terminal=True), stream))
    output.mark("done", "while it turns")
    stream.flush()
    said = stream.buffer.getvalue().decode()
    assert "✓ before" in said
    assert "✓ while it turns" in re.sub(r"\x1b\[[0-9;]*m", "", said)
