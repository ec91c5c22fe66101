"""``up``, ``down``, ``status``, ``env``, ``events``, ``calls``: the local region itself."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from sluice import output, regions
from sluice.context import Context, pass_context
from sluice.errors import CliError


@click.command("up")
@click.option("--port", type=click.IntRange(1, 65535), help=f"Port to listen on. [default: {regions.DEFAULT_PORT}]")
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="URI=FOLDER",
    help="An image of your own, and the folder with the executables train and serve that stand in for it. Repeatable.",
)
@pass_context
def up_command(context: Context, port: int | None, images: tuple[str, ...]) -> None:
    """Start the local region in the background.

    It listens on 127.0.0.1 and holds everything in its own processes: nothing leaves this machine. Where it runs
    already, this says so. Its contents live as long as it does: `sluice down` forgets them.

    \b
    Examples:
      sluice up
      sluice up --port 5000
      sluice --state-dir /tmp/other up --port 5001      (a second one)
      sluice up --image 123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1=./mine
    """
    state_dir = context.state_dir
    for given in images:
        _map_image(state_dir, given)
    info = regions.running(state_dir)
    if info is not None:
        if port is not None and port != info.port:
            raise CliError(
                f"The local region of {state_dir} runs already, on port {info.port}.",
                f"End it with `sluice down` first, or start another: `sluice --state-dir DIR up --port {port}`.",
            )
        with output.working("asking the local region"):
            answer = regions.health(info.endpoint, timeout=30.0)
        if answer is None:
            raise CliError(
                f"The local region's process {info.pid} runs but doesn't answer on {info.endpoint}.",
                "`sluice down` ends it; then `sluice up`.",
            )
        output.mark("done", f"the local region runs already: {info.endpoint} (process {info.pid})")
        return
    with output.working("starting the local region") as say:
        info = regions.start(state_dir, port or regions.DEFAULT_PORT, say)
    output.mark("done", f"local region at {info.endpoint} (process {info.pid}, log {state_dir / 'region.log'})")


def _map_image(state_dir: Path, given: str) -> None:
    """Also while the region runs: it reads the file whenever an image is asked for."""
    from local_region.sagemaker import own_images

    uri, found, folder = given.rpartition("=")
    try:
        if not found or not uri:
            raise own_images.BadMapping(f"{given!r} is no URI=FOLDER")
        own_images.add(own_images.file_of(state_dir), uri, Path(folder))
    except (own_images.BadMapping, OSError) as error:
        raise CliError(
            f"The image can't be mapped: {error}.",
            "Give --image URI=FOLDER; the folder has the executables train and serve.",
        ) from error
    output.mark("done", f"image {uri} is {Path(folder).resolve()}")


@click.command("down")
@pass_context
def down_command(context: Context) -> None:
    """End the local region and everything that runs in it."""
    info = regions.running(context.state_dir)
    if info is None:
        (context.state_dir / "region.json").unlink(missing_ok=True)
        output.mark("done", "no local region runs here")
        return
    with output.working("ending the local region"):
        regions.stop(info)
    output.mark("done", f"the local region at {info.endpoint} has ended")


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@pass_context
def status_command(context: Context, as_json: bool) -> None:
    """Show what runs: the region, its memory, the stack, the models."""
    found = _status(context)
    if as_json:
        output.as_json(found)
        return
    region = found["region"]
    if region:
        output.mark("done", f"local region {region['endpoint']}, process {region['pid']}, {_age(region['started_at'])}")
        if region["processes"]:
            total = sum(process["mb"] for process in region["processes"])
            output.plain(f"  memory: {total:.0f} MB in {len(region['processes'])} processes")
            for process in region["processes"]:
                output.plain(f"    {process['mb']:6.0f} MB  {process['pid']:>7}  {process['what'][:90]}")
    stack = found["stack"]
    if stack is None:
        output.mark("note", f"no stack {found['stack_name']}: `sluice deploy` makes it")
        return
    output.mark(
        "done" if stack["status"].endswith("_COMPLETE") else "note", f"stack {stack['name']}: {stack['status']}"
    )
    output.stack_outputs(stack["outputs"])
    for model in found["models"]:
        kind = {"live": "done", "failed": "bad"}.get(model.get("state", ""), "work")
        version = f", version {model['live_version']}" if model.get("live_version") else ""
        output.mark(kind, f"model {model['model']}: {model.get('state')}{version}")


def _status(context: Context) -> dict[str, Any]:
    target = context.target
    info = target.info
    region = None
    if info is None and not (context.on_aws or context.profile):
        output.mark("note", f"no local region runs here ({context.state_dir}); this is {target.title}")
    if info is not None:
        region = {
            "endpoint": info.endpoint,
            "pid": info.pid,
            "port": info.port,
            "state_dir": str(info.state_dir),
            "started_at": info.started_at,
            "healthy": regions.health(info.endpoint) is not None,
            "processes": [{"pid": pid, "what": what, "mb": round(mb, 1)} for pid, what, mb in regions.memory(info.pid)],
        }
    described = target.describe_stack()
    stack = None
    models: list[dict[str, Any]] = []
    if described is not None:
        outputs = {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", [])}
        stack = {"name": target.stack_name, "status": described["StackStatus"], "outputs": outputs}
        if "ApiUrl" in outputs:
            models = list(context.api.get("models").get("models") or [])
    return {"region": region, "stack_name": target.stack_name, "stack": stack, "models": models}


def _age(started_at: str) -> str:
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(started_at)).total_seconds()
    except (ValueError, TypeError):
        return f"since {started_at}"
    if seconds < 120:
        return f"up {seconds:.0f} s"
    return f"up {seconds / 60:.0f} min" if seconds < 7200 else f"up {seconds / 3600:.1f} h"


@click.command("env")
@click.option("--shell", type=click.Choice(["sh", "fish"]), default="sh", show_default=True)
@click.option("--admin", is_flag=True, help="Also SLUICE_ADMIN_KEY: the key that may change what serves.")
@pass_context
def env_command(context: Context, shell: str, admin: bool) -> None:
    """Print settings that point AWS clients, curl and notebooks here.

    \b
    Examples:
      eval "$(sluice env)"
      sluice env --shell fish | source
    """
    for line in export_lines(variables(context, admin=admin), shell):
        click.echo(line)


def variables(context: Context, *, admin: bool = False) -> dict[str, str]:
    """What `sluice env` sets. The SLUICE_ ones need the application to be deployed."""
    target = context.target
    values: dict[str, str] = {}
    if target.info is not None:
        values = {
            "AWS_ENDPOINT_URL": target.info.endpoint,
            "AWS_ACCESS_KEY_ID": target.info.access_key_id,
            "AWS_SECRET_ACCESS_KEY": target.info.secret_access_key,
            "AWS_DEFAULT_REGION": target.info.region,
            "AWS_REGION": target.info.region,
        }
    stack = target.describe_stack()
    if stack is None or not stack.get("Outputs"):
        if target.info is None:
            raise CliError(
                f"There is no stack {target.stack_name} in {target.title}, and no local region runs here.",
                "Start one with `sluice up`, or name the stack with --stack-name.",
            )
        click.echo("# The application is not deployed yet: `sluice deploy`, then this again.", err=True)
        return values
    return values | {
        "SLUICE_API_URL": target.api_url,
        "SLUICE_API_KEY": target.api_key,
        "SLUICE_BUCKET": target.bucket,
        **({"SLUICE_ADMIN_KEY": target.admin_api_key} if admin else {}),
    }


def export_lines(values: dict[str, str], shell: str) -> list[str]:
    """Lines for the shell to evaluate, quoted for it."""
    if shell == "fish":
        escaped = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in values.items()}
        return [f"set -gx {name} '{value}';" for name, value in escaped.items()]
    return [f"export {name}={shlex.quote(value)}" for name, value in values.items()]


@click.command("events")
@click.option("--json", "as_json", is_flag=True, help="Whole events, for programs.")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@pass_context
def events_command(context: Context, as_json: bool, last: int) -> None:
    """Show the EventBridge events that the local region saw."""
    info = context.target.info
    if info is None:
        raise CliError("Only a local region keeps its events to look at.", "On AWS, archive the event bus.")
    events = list(regions.get_json(f"{info.endpoint}/_local/events", timeout=15.0).get("events") or [])[-last:]
    if as_json:
        output.as_json(events)
        return
    rows = [(e.get("time"), e.get("source"), e.get("detail-type"), summary(e)) for e in events]
    output.table(("time", "source", "what", "about"), rows, "No events yet.")


def summary(event: dict[str, Any]) -> str:
    """What an event is about: an object, or a resource and its new state."""
    detail = event.get("detail") or {}
    if isinstance(detail, str):  # as it was put, before the bus read it
        return detail
    if "object" in detail:
        return f"s3://{detail.get('bucket', {}).get('name')}/{detail['object'].get('key')}"
    name = next((str(value) for key, value in detail.items() if key.endswith("Name") and isinstance(value, str)), "")
    state = next((str(value) for key, value in detail.items() if key.endswith("Status") and isinstance(value, str)), "")
    return " ".join(part for part in (name or " ".join(event.get("resources") or []), state) if part)


@click.command("calls")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="With the whole requests, for programs.")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@pass_context
def calls_command(context: Context, name: str | None, as_json: bool, last: int) -> None:
    """Show who asked SageMaker for what: the calls that change something, or those about NAME (a part of it will do).

    Each is by one of the application's functions, or by you (boto3, the AWS CLI, a notebook). A request has the form
    of boto3's arguments: `client.create_training_job(**request)`.

    \b
    Examples:
      sluice calls
      sluice calls churn
      sluice calls sluicegate-churn-0109adc4 --json
    """
    info = context.target.info
    if info is None:
        raise CliError(
            "Only a local region keeps its calls to look at.",
            "On AWS, CloudTrail does: aws cloudtrail lookup-events"
            " --lookup-attributes AttributeKey=EventSource,AttributeValue=sagemaker.amazonaws.com",
        )
    found = list(regions.get_json(f"{info.endpoint}/_local/calls", timeout=15.0).get("calls") or [])
    calls = [call for call in found if name is None or name in str(call.get("name"))][-last:]
    if as_json:
        output.as_json(calls)
        return
    rows = [
        (call.get("time"), caller(call.get("role")), call.get("operation"), call.get("name"), outcome(call))
        for call in calls
    ]
    output.table(("time", "who", "call", "what", "answer"), rows, "No such calls yet.")


def caller(role: str | None) -> str:
    """The function whose role it is, else the role's name; without a role the region's owner.

    >>> caller("sluicegate-StartTrainingFunctionRole-1AB2C3D4E5F6"), caller("mine"), caller(None)
    ('StartTraining', 'mine', 'you')
    """
    if role is None:
        return "you"
    found = re.fullmatch(r".+-(\w+)FunctionRole-\w+", role)
    return found[1] if found else role


def outcome(call: dict[str, Any]) -> str:
    """``ok``, or the error that was answered."""
    error = call.get("error")
    return "ok" if not error else f"{error.get('code')}: {error.get('message')}"
