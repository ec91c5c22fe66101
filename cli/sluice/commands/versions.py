"""``versions``, ``approve``, ``reject``, ``rollback``, and the part of ``deploy`` that is about a version."""

from __future__ import annotations

import sys
import time
from typing import Any
from urllib.parse import quote

import click

from sluice import output
from sluice.commands.models import metrics_text
from sluice.context import Context, pass_context
from sluice.errors import CliError
from sluice.version_story import VersionStory, before_live

_why = click.option("--why", default="", metavar="TEXT", help="Kept with the decision.")
_who = click.option("--who", default="", metavar="NAME", help="Kept beside the key's id.")
timeout_option = click.option("--timeout", type=click.FloatRange(0), default=3600.0, show_default=True, help="Seconds.")
no_wait_option = click.option("--no-wait", is_flag=True, help="Don't wait until the version is live.")


@click.command("versions")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="The API's answer, for programs.")
@pass_context
def versions_command(context: Context, model: str, as_json: bool) -> None:
    """List MODEL's registered versions, newest first: what they are worth, who decided, and why."""
    answer = context.api.get(_path(model))
    if as_json:
        output.as_json(answer)
        return
    rows = [
        (
            version["version"],
            version.get("status"),
            metrics_text(version.get("metrics")),
            version.get("run"),
            version.get("created_at"),
            version.get("live_since"),
            why_text(version),
        )
        for version in answer.get("versions") or []
    ]
    columns = ("version", "status", "metrics", "run", "created", "live since", "why")
    output.table(columns, rows, f"{model} has no versions yet.")


def why_text(version: dict[str, Any]) -> str:
    """What a person said last, or the end of its deployment, or the gate's verdict."""
    history = version.get("history") or []
    last = str(history[-1].get("message") or "") if history else ""
    verdict = version.get("verdict") or {}
    against = version.get("status") == "rejected" and verdict.get("accepted")  # not the gate's word
    if last and (version.get("decision") or against or version.get("status") in ("failed", "retired")):
        return last
    decision = version.get("decision")
    if decision:
        return f"{decision['approval']} by {decision['who']}" + (f": {decision['why']}" if decision["why"] else "")
    return str(verdict.get("reason") or "")


@click.command("approve")
@click.argument("model")
@click.argument("version", type=click.IntRange(1))
@_why
@_who
@timeout_option
@no_wait_option
@pass_context
def approve_command(
    context: Context, model: str, version: int, why: str, who: str, timeout: float, no_wait: bool
) -> None:
    """Approve VERSION of MODEL, which waits for a person (approval: manual), and follow it until it is live.

    \b
    Examples:
      sluice approve churn 3 --why "better on new customers"
    """
    decide(context, model, version, "approve", why, who)
    if not no_wait:
        follow(context, model, version, timeout)


@click.command("reject")
@click.argument("model")
@click.argument("version", type=click.IntRange(1))
@_why
@_who
@pass_context
def reject_command(context: Context, model: str, version: int, why: str, who: str) -> None:
    """Reject VERSION of MODEL: it will never serve (again). Not the one that serves; deploy another before.

    \b
    Examples:
      sluice reject churn 3 --why "learned from June's broken file"
    """
    decide(context, model, version, "reject", why, who)


@click.command("rollback")
@click.argument("model")
@click.argument("version", type=click.IntRange(1), required=False)
@_why
@_who
@timeout_option
@no_wait_option
@pass_context
def rollback_command(
    context: Context, model: str, version: int | None, why: str, who: str, timeout: float, no_wait: bool
) -> None:
    """Deploy the version of MODEL that served before, or VERSION, and follow it until it is live.

    \b
    Examples:
      sluice rollback churn --why "complaints since noon"
      sluice rollback churn 2
    """
    number = version if version is not None else before_live(context.api.get(_path(model)).get("versions") or [])
    if number is None:
        raise CliError(f"No version of {model} served before.", f"`sluice versions {model}` lists them.", exit_code=2)
    deploy_version(context, model, number, why, who, timeout, wait=not no_wait)


def deploy_version(
    context: Context, model: str, number: int, why: str, who: str, timeout: float, wait: bool = True
) -> None:
    """``sluice deploy MODEL VERSION``."""
    decide(context, model, number, "deploy", why, who)
    if wait:
        follow(context, model, number, timeout)


def decide(context: Context, model: str, number: int, action: str, why: str, who: str) -> None:
    """Ask the API for ``action`` and say what it answers."""
    said = {name: text for name, text in (("why", why), ("who", who)) if text}
    answer = context.admin_api.post(f"{_path(model)}/{number}/{action}", said)
    output.mark("done" if answer.get("done") else "note", str(answer.get("message")))


def follow(context: Context, model: str, number: int, timeout: float) -> None:
    """Print what becomes of the version until it is live or will not be; ends the process with 1 then."""
    api, local = context.api, context.target.is_local

    def look() -> tuple[dict[str, Any], dict[str, Any]]:
        """The version and its model; the version last: it is never behind."""
        detail = api.get(f"models/{quote(model, safe='')}")
        return api.get(f"{_path(model)}/{number}"), detail

    found, detail = look()
    story = VersionStory(model, number, told=len(found.get("history") or []))
    deadline = time.monotonic() + timeout
    with output.working(f"looking at version {number}") as say:
        while True:
            for line in story.observe(found, detail):
                output.mark(line.mark, line.text)
            if story.outcome is not None:
                break
            if time.monotonic() >= deadline:
                raise CliError(
                    f"{story.status} after {timeout:.0f} s.",
                    f"`sluice versions {model}` says how far it is; `sluice logs` shows what the functions say.",
                )
            say(f"{story.status}  ({time.monotonic() - deadline + timeout:.0f} s)")
            time.sleep(0.3 if local else 5.0)
            found, detail = look()
    output.mark(story.outcome.mark, story.outcome.sentence)
    if story.outcome.remedy:
        output.plain(f"  {story.outcome.remedy}")
    if story.outcome.exit_code:
        sys.exit(story.outcome.exit_code)


def _path(model: str) -> str:
    return f"models/{quote(model, safe='')}/versions"
