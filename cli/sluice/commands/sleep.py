"""``sleep`` and ``wake``: a model's endpoint is shut down and brought back."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import click

from sluice import output
from sluice.context import Context, pass_context
from sluice.errors import CliError

#: seconds that a prediction waits for an endpoint
LONGEST_WAKING = 1800.0
_timeout = click.option("--timeout", type=click.FloatRange(0), default=1800.0, show_default=True, help="Seconds.")
_no_wait = click.option("--no-wait", is_flag=True, help="Don't wait until it is done.")
_why = click.option("--why", default="", metavar="TEXT", help="Kept with the order.")


@click.command("sleep")
@click.argument("model")
@_why
@_timeout
@_no_wait
@pass_context
def sleep_command(context: Context, model: str, why: str, timeout: float, no_wait: bool) -> None:
    """Shut MODEL's endpoint down. Its config is kept; the next prediction, or `sluice wake`, brings it back.

    \b
    Examples:
      sluice sleep churn --why "nobody needs it before Monday"
    """
    order(context, model, "sleep", why)
    if not no_wait:
        detail = await_state(context, model, ("asleep",), timeout)
        output.mark("done", asleep_text(detail))


@click.command("wake")
@click.argument("model")
@_why
@_timeout
@_no_wait
@pass_context
def wake_command(context: Context, model: str, why: str, timeout: float, no_wait: bool) -> None:
    """Bring MODEL's sleeping endpoint back, and wait until it serves.

    \b
    Examples:
      sluice wake churn
    """
    order(context, model, "wake", why)
    if not no_wait:
        detail = await_state(context, model, ("serving",), timeout)
        said = f"The endpoint of {model} serves version {detail.get('live_version')}. {saved_text(detail)}"
        output.mark("done", said.rstrip())


def order(context: Context, model: str, what: str, why: str) -> None:
    body = {"why": why} if why else {}
    answer = context.admin_api.post(f"models/{quote(model, safe='')}/{what}", body)
    output.mark("done" if answer.get("done") else "note", str(answer.get("message")))


def await_state(context: Context, model: str, states: tuple[str, ...], timeout: float) -> dict[str, Any]:
    """The model, once its endpoint is in one of ``states``. An endpoint that can't be woken ends the wait."""
    path, start = f"models/{quote(model, safe='')}", time.monotonic()
    with output.working("looking at the endpoint") as say:
        while True:
            detail = context.api.get(path)
            state, sleep = detail.get("endpoint_state"), detail.get("sleep") or {}
            if state in states:
                return detail
            if state == "asleep" and sleep.get("error"):
                raise CliError(
                    f"The endpoint of {model} could not be woken: {sleep['error']}",
                    f"Its log in CloudWatch says more; `sluice wake {model}` tries again.",
                )
            passed = time.monotonic() - start
            if passed >= timeout:
                raise CliError(
                    f"The endpoint of {model} is still {state} after {timeout:.0f} s.",
                    f"`sluice model {model}` says how far it is.",
                )
            say(f"{state}  ({passed:.0f} s)")
            time.sleep(0.3 if context.target.is_local else 5.0)


def asleep_text(detail: dict[str, Any]) -> str:
    sleep = detail.get("sleep") or {}
    usd = sleep.get("usd_per_hour")
    worth = f" That saves ${usd:g} an hour." if usd else ""
    return (
        f"The endpoint of {detail.get('model')} is asleep; version {sleep.get('version')} serves when it wakes.{worth}"
    )


def saved_text(detail: dict[str, Any]) -> str:
    """What its sleeps saved until now; "" when that is nothing."""
    saved = detail.get("saved") or {}
    if not saved.get("usd"):
        return ""
    times = "once" if saved["times"] == 1 else f"{saved['times']} times"
    hours = f"{saved['seconds'] / 3600:.1f} h in all"
    return f"Asleep {times} since {saved['since'][:10]}, {hours}: ${saved['usd']:.2f} saved."


def endpoint_text(detail: dict[str, Any]) -> str | None:
    """The endpoint's name, and what there is to tell of it but that it serves."""
    name, state, sleep = detail.get("endpoint"), detail.get("endpoint_state"), detail.get("sleep") or {}
    if state not in ("asleep", "waking"):
        return name
    said = f"{name} ({state} since {sleep.get('since')}: {sleep.get('why') or sleep.get('by')})"
    return f"{said}; it could not be woken: {sleep['error']}" if sleep.get("error") else said


def predicted(
    context: Context,
    model: str,
    body: bytes,
    kind: str,
    told: bool,
    subject: str | None = None,
    lane: str | None = None,
) -> dict[str, Any]:
    """The predictions. An endpoint that sleeps is waited for; ``told``: the waiting is shown."""
    answer = context.api.predict(model, body, kind, subject, lane)
    if told and answer.get("state") == "waking":
        output.mark("work", f"The endpoint of {model} was asleep and wakes; this waits for it.")
    while answer.get("state") == "waking":
        await_state(context, model, ("serving",), LONGEST_WAKING)
        answer = context.api.predict(model, body, kind, subject, lane)
    if told and answer.get("served_by") == "function":
        output.mark("note", f"The endpoint of {model} is not there now: the function answered by itself.")
    return answer
