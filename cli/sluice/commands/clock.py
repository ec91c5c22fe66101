"""``clock``: the local region's time, shown and moved ahead."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import click

from sluice import output, regions
from sluice.context import Context, pass_context
from sluice.errors import CliError

_LOOK_SECONDS = 0.1
_NOT_RUNNING = "Only a local region has a clock to be moved, and none runs here."


@click.command("clock")
@click.argument("how", metavar="[+SPAN|reset]", required=False)
@click.option(
    "--patience",
    type=click.FloatRange(0, 3600),
    default=60.0,
    show_default=True,
    help="Seconds of this machine's time that each instant waits for what it caused.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@pass_context
def clock_command(context: Context, how: str | None, patience: float, as_json: bool) -> None:
    """Show the local region's time, or move it ahead through everything that is due on the way.

    Schedules fire at their instants, alarms are evaluated, bakes of endpoint updates end, delayed messages arrive: in
    order, each with what the one before caused. Time never runs back. The region keeps it over `sluice down` and
    `sluice up`; `sluice clock reset`, while none runs, goes back to this machine's time.

    \b
    Examples:
      sluice clock
      sluice clock +3h
      sluice clock +1d12h
      sluice clock reset
    """
    info = regions.running(context.state_dir)
    if how == "reset":
        if info is not None:
            raise CliError("Time never runs back in a region that runs.", "`sluice down` first.")
        (context.state_dir / "clock.json").unlink(missing_ok=True)
        output.mark("done", "the next region begins with this machine's time")
        return
    if info is None:
        raise CliError(_NOT_RUNNING, "`sluice up` starts one.")
    address = f"{info.endpoint}/_local/clock"
    if how is None:
        state = regions.get_json(address)
    else:
        with output.working("moving the clock") as say:
            state = regions.post_json(address, {"advance": how, "patience_seconds": patience})
            while state["moving"]:
                say(f"at {_shown(state['now'])}, instant {state['instants'] + 1}")
                time.sleep(_LOOK_SECONDS)
                state = regions.get_json(address, timeout=60.0)
    if as_json:
        output.as_json(state)
        return
    for text in state["unsettled"] if how else []:
        output.mark("note", f"not done in time at {text}")
    output.mark("done" if how else "work", _sentence(state, moved=how is not None))


def _sentence(state: dict[str, Any], moved: bool) -> str:
    ahead = output.span_text(round(state["ahead_seconds"]))
    where = f"{ahead} ahead of this machine" if ahead else "this machine's time"
    more = f", {state['instants']} instants passed" if moved else ""
    if state["moving"]:  # by a command that ended, or another one's
        more = f", on its way to {_shown(state['target'])}"
    return f"it is {_shown(state['now'])} in the region, {where}{more}"


def _shown(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"
