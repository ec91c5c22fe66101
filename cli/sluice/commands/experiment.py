"""``experiment``: start, show, stop and decide comparisons of versions on live traffic."""

from __future__ import annotations

import sys
import time
from typing import Any
from urllib.parse import quote

import click

from sluice import contests, output
from sluice.context import Context, pass_context
from sluice.errors import CliError

_why = click.option("--why", default="", metavar="TEXT", help="Kept with the decision.")
_who = click.option("--who", default="", metavar="NAME", help="Kept beside the key's id.")
_json = click.option("--json", "as_json", is_flag=True, help="The API's answer, for programs.")


@click.group("experiment")
def experiment_command() -> None:
    """Compare versions of a model on its live traffic: A/B tests, bandits, shadows.

    \b
    Examples:
      sluice experiment start churn --challenger 3
      sluice experiment show churn --watch
      sluice experiment decide churn promote --why "good enough"
    """


@experiment_command.command("start")
@click.argument("model")
@click.option(
    "--challenger",
    "challengers",
    type=click.IntRange(1, 999_999),
    multiple=True,
    required=True,
    help="The version to compare with the one that serves; may be given again.",
)
@click.option("--mode", type=click.Choice(["ab", "bandit", "shadow"]), help="[default: as model.yaml says, else ab]")
@click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="A key of model.yaml's part experiment, such as traffic=0.1 or bandit.floor=0.05.",
)
@_why
@_who
@_json
@pass_context
def start(
    context: Context,
    model: str,
    challengers: tuple[int, ...],
    mode: str | None,
    settings: tuple[str, ...],
    why: str,
    who: str,
    as_json: bool,
) -> None:
    """Let versions share MODEL's traffic with the one that serves, until it is decided who does.

    \b
    Examples:
      sluice experiment start churn --challenger 3
      sluice experiment start churn --challenger 3 --set traffic=0.1 --set decision=manual
      sluice experiment start churn --challenger 3 --challenger 4 --mode bandit
    """
    body: dict[str, Any] = {"challengers": list(challengers), **given(settings), **_told(why, who)}
    if mode is not None:
        body["mode"] = mode
    answer = context.admin_api.put(_path(model), body)
    if as_json:
        output.as_json(answer)
        return
    output.mark("done", f"experiment {answer['experiment']} is {contests.said(answer['status'])}")
    output.plain(f"  `sluice experiment show {model} --watch` follows it.")


@experiment_command.command("show")
@click.argument("model")
@click.option("--id", "experiment", metavar="ID", help="One of those before. [default: the one that runs, or the last]")
@click.option("--all", "everything", is_flag=True, help="List all of them.")
@click.option("--watch", is_flag=True, help="Follow it until it is over; the exit status is 1 when it failed.")
@click.option("--timeout", type=click.FloatRange(0), default=14 * 86_400.0, help="Seconds to watch.")
@_json
@pass_context
def show(
    context: Context, model: str, experiment: str | None, everything: bool, watch: bool, timeout: float, as_json: bool
) -> None:
    """Show MODEL's experiment: its lanes and their numbers, the course of its looks, what was decided and why."""
    if everything:
        _list(context, model, as_json)
        return
    path = f"{_path(model)}s/{quote(experiment, safe='')}" if experiment else _path(model)
    found = context.api.get(path)
    if watch:
        found = _watch(context, path, found, timeout)
    if as_json:
        output.as_json(found)
        return
    _show(found)
    if watch and found["status"] == "failed":
        sys.exit(1)


def _show(found: dict[str, Any]) -> None:
    output.plain(contests.headline(found))
    output.table(contests.COLUMNS, contests.rows(found), "It has no lanes.")
    for line in (*contests.repeats(found), *contests.shares(found)):
        output.plain(line)
    for lane in found["lanes"][1:]:
        lines = contests.plot(found, lane["slot"])
        if lines:
            output.plain(f"\n{lane['slot']}: difference to the champion, look by look")
            for line in lines:
                output.plain(line)
    output.mark(*contests.verdict(found))
    if found.get("error"):
        output.plain(f"  {found['error']['remedy']}")


def _list(context: Context, model: str, as_json: bool) -> None:
    answer = context.api.get(f"{_path(model)}s")
    if as_json:
        output.as_json(answer)
        return
    rows = [
        (
            one["experiment"],
            one["mode"],
            contests.said(one["status"]),
            " ".join(f"{lane['slot']}=v{lane['version']}" for lane in one["lanes"]),
            one["created_at"],
            one.get("ended_at"),
            (one.get("decision") or {}).get("reason", ""),
        )
        for one in answer["experiments"]
    ]
    columns = ("experiment", "mode", "status", "lanes", "begun", "ended", "reason")
    output.table(
        columns, rows, f"{model} had no experiment yet. Start one: sluice experiment start {model} --challenger N"
    )


def _watch(context: Context, path: str, found: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Until it is over. The one that was asked for first, whatever begins after it."""
    path = path if "/experiments/" in path else f"{path}s/{found['experiment']}"
    story = contests.ContestStory()
    deadline = time.monotonic() + timeout
    with output.working(f"experiment {found['experiment']}") as say:
        while True:
            for mark, text in story.observe(found):
                output.mark(mark, text)
            if contests.is_over(found):
                return found
            if time.monotonic() >= deadline:
                raise CliError(
                    f"Experiment {found['experiment']} is {contests.said(found['status'])} after {timeout:.0f} s.",
                    "Watch on with --watch, or stop it: sluice experiment stop MODEL",
                )
            say(contests.verdict(found)[1])
            time.sleep(0.5 if context.target.is_local else 15.0)
            found = context.api.get(path)


@experiment_command.command("stop")
@click.argument("model")
@_why
@_who
@pass_context
def stop(context: Context, model: str, why: str, who: str) -> None:
    """Stop MODEL's experiment. The version that served before serves on."""
    answer = context.admin_api.delete(_path(model), _told(why, who))
    output.mark("done", f"experiment {answer['experiment']} is stopped; nobody is sent to its challengers any more")


@experiment_command.command("decide")
@click.argument("model")
@click.argument("decision", type=click.Choice(["promote", "keep", "stop"]))
@click.option("--slot", metavar="NAME", help="promote: which challenger, where there are several.")
@_why
@_who
@pass_context
def decide(context: Context, model: str, decision: str, slot: str | None, why: str, who: str) -> None:
    """Decide MODEL's experiment, whatever its numbers say: promote a challenger, keep the champion, or stop."""
    body: dict[str, Any] = {"decision": decision, **_told(why, who)}
    if slot is not None:
        body["slot"] = slot
    answer = context.admin_api.post(_path(model), body)
    output.mark(
        "done", f"experiment {answer['experiment']}: {decision}; `sluice experiment show {model}` says how far it is"
    )


def given(settings: tuple[str, ...]) -> dict[str, Any]:
    """``("traffic=0.1", "bandit.floor=0.05")`` as model.yaml would have them.

    Raises ``CliError`` for what is no KEY=VALUE. Whether there is such a key, the API says.
    """
    import yaml

    found: dict[str, Any] = {}
    for one in settings:
        key, separator, value = one.partition("=")
        if not (key and separator):
            raise CliError(f"--set {one} is no KEY=VALUE.", "Give one such as traffic=0.1.", exit_code=2)
        place = found
        *parents, last = key.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = yaml.safe_load(value)
    return found


def _told(why: str, who: str) -> dict[str, str]:
    return {name: text for name, text in (("why", why), ("who", who)) if text}


def _path(model: str) -> str:
    return f"models/{quote(model, safe='')}/experiment"
