"""Follow a model until it is live, rejected or failed: the API asked again and again, the story told line by line."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from typing import Any

from sluice import output, trials
from sluice.api import Api
from sluice.errors import CliError
from sluice.predicting import BatchStory
from sluice.story import Outcome, Snapshot, Story, following_run, newest_upload, percent_done
from sluice.target import Target

_GROUP = "/aws/sagemaker/TrainingJobs"
#: the job or its log isn't there yet; or whoever watches may not look into SageMaker, which the API does for them
_NO_PROGRESS = frozenset(
    {"ResourceNotFoundException", "ValidationException", "AccessDeniedException", "AccessDenied"},
)


class TrainingProgress:
    """Percent of a training job, from its log; the job's number of rounds is asked once."""

    def __init__(self, target: Target) -> None:
        self._sagemaker = target.client("sagemaker")
        self._logs = target.client("logs")
        self._rounds: dict[str, int] = {}

    def percent(self, job: str) -> int | None:
        from botocore.exceptions import ClientError

        try:
            if job not in self._rounds:
                found = self._sagemaker.describe_training_job(TrainingJobName=job)
                self._rounds[job] = int(found.get("HyperParameters", {}).get("num_round", 0))
            streams = self._logs.describe_log_streams(logGroupName=_GROUP, logStreamNamePrefix=f"{job}/")["logStreams"]
            if not streams:
                return None
            events = self._logs.get_log_events(
                logGroupName=_GROUP, logStreamName=streams[0]["logStreamName"], limit=20, startFromHead=False
            )["events"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _NO_PROGRESS:
                return None
            raise
        return percent_done([event["message"] for event in events], self._rounds[job])


def snapshot(api: Api, model: str, progress: TrainingProgress) -> Snapshot:
    """Ask the API for everything that the story needs."""
    from urllib.parse import quote

    path = f"models/{quote(model, safe='')}"
    detail = api.find(path)
    if detail is None:
        return Snapshot(None, unplaced=api.get("models").get("unplaced") or [])
    uploads = api.get(f"{path}/uploads").get("uploads") or []
    runs = api.get(f"{path}/runs").get("runs") or []
    now = Snapshot(detail, uploads, runs)
    run = following_run(runs, newest_upload(now, model))
    percent = None
    if run is not None and run.get("status") == "training" and run.get("training_job"):
        percent = progress.percent(str(run["training_job"]))
    return Snapshot(detail, uploads, runs, percent=percent)


def batches(api: Api, model: str) -> list[dict[str, Any]]:
    """The files that the model predicts as a whole, newest first; none of a model that there isn't."""
    from urllib.parse import quote

    return list((api.find(f"models/{quote(model, safe='')}/batches") or {}).get("batches") or [])


def watch(target: Target, model: str, timeout: float) -> Outcome:
    """Print progress until the run that follows the newest upload is over; also of files that are predicted meanwhile.

    Raises:
        CliError: not over within ``timeout`` seconds.
    """
    api = Api(target.api_url, target.api_key, direct=target.is_local)
    progress = TrainingProgress(target)
    story, files = Story(model), BatchStory()
    began = time.monotonic()
    with output.working(f"looking at {model}") as say:
        while True:
            for line in story.observe(snapshot(api, model, progress)):
                output.mark(line.mark, line.text)
            for line in files.observe(batches(api, model)):
                output.mark(line.mark, line.text)
            if story.outcome is not None:
                break
            seconds = time.monotonic() - began
            for line in story.hint(seconds):
                output.mark(line.mark, line.text)
            if seconds >= timeout:
                raise CliError(
                    f"{model} is not live after {timeout:.0f} s; it is {story.status}.",
                    f"Watch on with `sluice watch {model}`; `sluice logs` shows what the functions say.",
                )
            say(f"{story.status}  ({seconds:.0f} s)")
            time.sleep(0.3 if target.is_local else 5.0)
    if story.search and story.search.get("trials"):
        output.plain("")
        output.table(trials.COLUMNS, trials.rows(story.search), "")
    return story.outcome


def example_record(detail: Mapping[str, Any]) -> dict[str, Any]:
    """A record that the model takes: each feature's example value from its schema."""
    schema = detail.get("schema") or {}
    left_out = {schema.get("target"), schema.get("id_column")}
    return {
        str(column["name"]): column.get("example")
        for column in schema.get("columns") or []
        if column["name"] not in left_out and column.get("example") is not None
    }


def how_to_call(target: Target, model: str) -> list[str]:
    """Lines that show how a live model is asked, with its own columns."""
    api = Api(target.api_url, target.api_key, direct=target.is_local)
    detail = api.find(f"models/{model}") or {}
    body = json.dumps({"records": [example_record(detail)]}, ensure_ascii=False)
    return [
        f"sluice predict {model} -  <<< {shlex.quote(body)}",
        f"curl -H 'x-api-key: {target.api_key}' -H 'content-type: application/json' "
        f"{target.api_url}/models/{model}/predictions -d {shlex.quote(body)}",
    ]
