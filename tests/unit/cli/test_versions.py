"""``sluice approve`` and its kin over an API that answers as the real one."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from sluice.commands.application import deploy_command
from sluice.commands.versions import approve_command, reject_command, rollback_command, versions_command, why_text
from sluice.errors import CliError
from sluice.version_story import VersionStory, before_live
from tests.support.cli import Given


def line(status: str, message: str = "") -> dict[str, str]:
    return {"at": "2026-01-02T03:04:05.000Z", "status": status, "message": message}


class Api:
    """Version 3 walks through ``steps``, one each time that it is asked for."""

    def __init__(self, *steps: dict[str, str]) -> None:
        self.steps, self.seen = list(steps), 1
        self.posted: list[tuple[str, dict[str, Any]]] = []
        #: of the model's way_in, one each time that it is asked for; the last again and again
        self.ways: list[dict[str, Any] | None] = [None]
        self.versions = [
            {"version": 3, "status": "live", "live_since": "2026-01-03"},
            {"version": 2, "status": "retired", "live_since": "2026-01-01"},
            {"version": 1, "status": "retired", "live_since": "2026-01-02"},
        ]

    def get(self, path: str) -> dict[str, Any]:
        if path == "models/churn":
            return {"way_in": self.ways.pop(0) if len(self.ways) > 1 else self.ways[0]}
        if path.endswith("/versions"):
            return {"versions": self.versions}
        history = self.steps[: self.seen]
        self.seen += 1
        return {"version": int(path.rsplit("/", 1)[1]), "status": history[-1]["status"], "history": history}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.posted.append((path, body))
        return {"done": True, "message": "Version 3: Approved by ann."}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.commands.versions.time.sleep", lambda _seconds: None)


def called(command: click.Command, api: Api, *arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(command, arguments, obj=Given(api), standalone_mode=False)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.output


def test_an_approval_is_followed_until_the_version_is_live() -> None:
    api = Api(line("pending_approval"), line("approved", "Approved by ann."), line("deploying"), line("live"))
    code, shown = called(approve_command, api, "churn", "3", "--why", "better")
    assert (code, api.posted) == (0, [("models/churn/versions/3/approve", {"why": "better"})])
    assert "is being deployed" in shown
    assert "is live" in shown


def test_a_rollout_that_fails_says_why_and_ends_with_1() -> None:
    api = Api(line("approved"), line("deploying"), line("failed", "Rolled back: alarm x."))
    code, shown = called(approve_command, api, "churn", "3")
    assert (code, "Rolled back: alarm x." in shown) == (1, True)


def test_rolling_back_takes_the_version_that_served_last() -> None:
    api = Api(line("retired"))
    called(rollback_command, api, "churn", "--no-wait", "--who", "ann")
    assert api.posted == [("models/churn/versions/1/deploy", {"who": "ann"})]
    api.versions = api.versions[:1]
    with pytest.raises(CliError, match="No version of churn served before"):
        called(rollback_command, api, "churn")
    assert before_live([]) is None


def test_deploy_takes_a_version_or_the_application() -> None:
    api = Api(line("live"))
    assert called(deploy_command, api, "churn", "3")[0] == 0
    assert api.posted == [("models/churn/versions/3/deploy", {})]
    with pytest.raises(CliError, match="a model and a version"):
        called(deploy_command, api, "churn")
    with pytest.raises(CliError, match="--no-wait is for a version"):
        called(deploy_command, api, "--no-wait")


def test_deploy_may_return_at_once() -> None:
    api = Api(line("retired"))
    assert called(deploy_command, api, "churn", "3", "--no-wait") == (0, "✓ Version 3: Approved by ann.\n")
    assert api.seen == 1, "nobody looked what became of it"
    with pytest.raises(CliError, match="after 0 s"):
        called(deploy_command, Api(line("approved"), line("deploying")), "churn", "3", "--timeout", "0")


def way(stage: str, percent: int, left: int | None, least: int) -> dict[str, Any]:
    """Of version 3, as the API says it."""
    return {"version": 3, "stage": stage, "percent": percent, "left_seconds": left, "least_seconds": least}


def test_waiting_says_which_share_is_watched_and_for_how_long() -> None:
    deploying = [line("deploying")] * 6
    api = Api(line("approved"), *deploying, line("live"))
    api.ways = [None, way("bringing", 0, None, 600), way("shifting", 10, 300, 600), way("shifting", 10, 240, 540)]
    api.ways += [way("shifting", 100, 300, 300), way("switching", 100, 0, 0)]
    _, shown = called(deploy_command, api, "churn", "3")
    told = [text for text in shown.splitlines() if "requests" in text or "endpoint of its own" in text]
    assert told == [
        "· version 3: an endpoint of its own comes up beside the one that serves; then it is watched for 10m in all",
        "· version 3 has 10 % of the requests, watched for another 5m; with the other shares 10m at least",
        "· version 3 has 100 % of the requests, watched for another 5m; then it takes over",
        "· version 3 has all of the requests; the model's endpoint switches to it",
    ]


def test_what_goes_on_counts_down_between_two_shares() -> None:
    story = VersionStory("churn", 3)
    version = {"status": "deploying", "history": []}
    assert len(story.observe(version, {"way_in": way("shifting", 10, 300, 600)})) == 1
    assert story.observe(version, {"way_in": way("shifting", 10, 240, 540)}) == []
    assert "another 4m" in story.status
    others = {"way_in": {**way("shifting", 50, 1, 1), "version": 4}}
    assert story.observe(version, others) == []
    assert story.status == "version 3 is being deployed"


def test_a_rejection_waits_for_nothing() -> None:
    api = Api()
    assert called(reject_command, api, "churn", "2", "--why", "broken file")[0] == 0
    assert api.posted == [("models/churn/versions/2/reject", {"why": "broken file"})]


def test_the_list_says_what_was_decided() -> None:
    code, shown = called(versions_command, Api(), "churn")
    assert (code, "retired" in shown) == (0, True)
    decision = {"approval": "Approved", "who": "ann", "why": "better"}
    assert why_text({"decision": decision}) == "Approved by ann: better"
    assert why_text({"status": "failed", "history": [line("failed", "no capacity")]}) == "no capacity"
    assert why_text({"verdict": {"reason": "better by 0.01"}}) == "better by 0.01"
    history = [line("pending_approval", "Accepted."), line("rejected", "Rejected in the model registry: leaks.")]
    against = {"status": "rejected", "history": history, "verdict": {"accepted": True, "reason": "Accepted."}}
    assert why_text(against) == "Rejected in the model registry: leaks."
    assert why_text(against | {"verdict": {"accepted": False, "reason": "Worse."}}) == "Worse."


def test_a_story_tells_each_line_once() -> None:
    story = VersionStory("churn", 3, told=1)
    version = {"status": "deploying", "history": [line("approved"), line("deploying")]}
    assert [one.text for one in story.observe(version)] == ["version 3 is being deployed"]
    assert story.observe(version) == []
    assert story.outcome is None


def test_a_version_of_a_model_that_sleeps_is_not_waited_for() -> None:
    story, asleep = VersionStory("churn", 3), {"way_in": None, "endpoint_state": "asleep"}
    story.observe({"status": "pending_approval", "history": []}, asleep)
    assert story.outcome is None
    story.observe({"status": "approved", "history": [line("approved", "Approved by ann.")]}, asleep)
    assert story.outcome is not None
    assert story.outcome.sentence == "version 3 goes live when the endpoint wakes"
