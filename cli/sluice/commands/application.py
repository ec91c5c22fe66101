"""``deploy``, ``example``, ``logs``, ``redrive``: the application as a stack."""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from pathlib import Path

import click

from sluice import logbook, output, redriving
from sluice.commands.versions import deploy_version, no_wait_option, timeout_option
from sluice.context import Context, pass_context, project_folder
from sluice.deploying import Step, deploy
from sluice.errors import CliError


@click.command("deploy")
@click.argument("model", required=False)
@click.argument("version", type=click.IntRange(1), required=False)
@click.option("--why", default="", metavar="TEXT", help="Kept with the decision to deploy VERSION.")
@click.option("--who", default="", metavar="NAME", help="Kept beside the key's id.")
@timeout_option
@no_wait_option
@click.option("--template", type=click.Path(path_type=Path), help="Template. [default: the project's template.yaml]")
@click.option(
    "--parameter", "-p", "parameters", multiple=True, metavar="NAME=VALUE", help="May be given several times."
)
@pass_context
def deploy_command(
    context: Context,
    model: str | None,
    version: int | None,
    why: str,
    who: str,
    timeout: float,
    no_wait: bool,
    template: Path | None,
    parameters: tuple[str, ...],
) -> None:
    """Deploy the application; what didn't change is left alone. With MODEL and VERSION: deploy that version.

    This is the quick way into the local region. Onto AWS use `sam build && sam deploy --guided`: the layer of
    third-party packages must be built there.

    \b
    Examples:
      sluice deploy
      sluice deploy -p NamePrefix=team1
      sluice deploy churn 3 --why "better on new customers"
      sluice deploy churn 3 --no-wait
    """
    if model is not None:
        if version is None or template or parameters:
            raise CliError("sluice deploy takes nothing, or a model and a version.", "`sluice deploy churn 3`.", 2)
        deploy_version(context, model, version, why, who, timeout, wait=not no_wait)
        return
    if no_wait:
        raise CliError("--no-wait is for a version of a model.", "`sluice deploy churn 3 --no-wait`.", 2)
    given = dict(_pair(item, "--parameter") for item in parameters)
    path = template or project_folder() / "template.yaml"
    target = context.target

    anew = target.describe_stack() is None

    with output.working(f"deploying {path.name} into the {target.title}") as say:

        def show(step: Step) -> None:
            what = f"{step.logical_id} ({step.kind})"
            if step.failed:
                output.mark("bad", f"{what}: {step.reason}")
            elif step.is_final and not anew:
                output.mark("done", f"{what} {step.status.lower().replace('_', ' ')}")
            else:  # of a new stack two hundred lines would only say that all of it is there
                say(f"{what} {step.status.lower().replace('_', ' ')}")

        result = deploy(target, path, given, say, show)
    count = len({step.logical_id for step in result.steps if step.is_final})
    if result.changed:
        output.mark(
            "done", f"stack {target.stack_name} deployed: {count} resources, {result.uploaded} packages uploaded"
        )
    else:
        output.mark("done", f"stack {target.stack_name}: nothing to change")
    output.stack_outputs(result.outputs)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise CliError(f"{option} {text} is not NAME=VALUE.", "Write it like NamePrefix=team1.", exit_code=2)
    return name, value


@click.command("example")
@pass_context
def example_command(context: Context) -> None:
    """Drop the example data (customers who leave) for the model `churn`.

    The same data again changes nothing: an upload is known by its content.
    """
    folder = Path(__file__).resolve().parents[3] / "examples" / "churn"
    target = context.target
    s3, bucket = target.client("s3"), target.bucket
    for path, key in (
        (folder / "model.yaml", "models/churn/model.yaml"),
        (folder / "churn.csv", "data/churn/churn.csv"),
    ):
        if not path.is_file():
            raise CliError(f"{path} is missing.", "Run this from a whole copy of the project.")
        body = path.read_bytes()
        if _etag(s3, bucket, key) == hashlib.md5(body, usedforsecurity=False).hexdigest():
            output.mark("done", f"s3://{bucket}/{key} is there already")
            continue
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        if key.startswith("models/"):
            _until_read(context, "churn")
        output.mark("done", f"{path.name} → s3://{bucket}/{key} ({output.size_text(len(body))})")


@click.command("next")
@pass_context
def next_command(context: Context) -> None:
    """Show the web address and what to try next."""
    target = context.target
    names = [item["model"] for item in context.api.get("models").get("models") or []]
    model = "churn" if "churn" in names or not names else names[0]
    output.plain(f"Web page   {target.output('WebUrl')}")
    output.plain(f"API        {target.api_url}/models  (header x-api-key: {target.api_key})")
    output.plain("\nTry next:")
    bin_folder = Path(sys.executable).parent
    tries = [] if shutil.which("sluice") else [(f'PATH="{bin_folder}:$PATH"', "where sluice, aws and sam are")]
    tries += [
        ('eval "$(sluice env)"', "point aws, curl and notebooks here"),
        (f"aws s3 cp your.csv s3://{target.bucket}/data/yours/", "any CSV with a header becomes a model"),
        ("sluice watch yours", "until it is live"),
        (f"sluice model {model}", "its columns, metrics and version"),
        ("sluice logs -f", "what the functions say"),
    ]
    if target.is_local:
        tries += [
            ("sluice calls", "which calls were made to SageMaker, and by whom"),
            ("sluice events", "what went over the event bus"),
            ("sluice down", "end it; `make down` too"),
        ]
    width = max(len(command) for command, _ in tries)
    for command, why in tries:
        output.plain(f"  {command:<{width}}  {why}")


def _until_read(context: Context, model: str) -> None:
    """Wait until the settings count, so that the first run is made with them and not a second one."""
    deadline = time.monotonic() + 30
    with output.working("model.yaml is being read"):
        while context.api.find(f"models/{model}") is None:
            if time.monotonic() > deadline:
                raise CliError("model.yaml was not read within 30 s.", "`sluice logs ingest_data` may say why.")
            time.sleep(0.1)


def _etag(s3: object, bucket: str, key: str) -> str | None:
    from botocore.exceptions import ClientError

    try:
        return str(s3.head_object(Bucket=bucket, Key=key)["ETag"]).strip('"')  # type: ignore[attr-defined]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
            return None
        raise


@click.command("logs")
@click.argument("what", required=False, metavar="[FUNCTION|job|endpoint]")
@click.option("--follow", "-f", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--since", default="10m", show_default=True, help="How far back: 90s, 15m, 2h, 1d.")
@click.option("--raw", is_flag=True, help="Messages as they were written.")
@pass_context
def logs_command(context: Context, what: str | None, follow: bool, since: str, raw: bool) -> None:
    """Show logs of the functions, of SageMaker's jobs or of the endpoints.

    \b
    Examples:
      sluice logs                      all functions, the last ten minutes
      sluice logs ingest_data -f
      sluice logs job --since 1h
    """
    seconds = logbook.seconds_of(since)
    groups = logbook.groups_for(context.target, what)
    shown = 0
    for entry in logbook.read(context.target, groups, seconds, follow):
        click.echo(entry.text if raw else logbook.pretty(entry))
        shown += 1
    if not shown:
        output.mark("note", f"nothing was logged in the last {since}")


@click.command("redrive")
@click.argument("queue", required=False)
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@pass_context
def redrive_command(context: Context, queue: str | None, yes: bool) -> None:
    """Show dead letters and send them back to where they failed.

    A queue's message goes back to the queue, an event or an asynchronous call to its function. Mend the cause first
    (`sluice logs`), or they come back here.
    """
    target = context.target
    queues = redriving.dead_letter_queues(target)
    if queue is not None:
        queues = {url: found for url, found in queues.items() if queue in (found["name"], found["arn"], url)}
        if not queues:
            raise CliError(
                f"The stack {target.stack_name} has no dead-letter queue {queue}.", "`sluice redrive` lists them."
            )
    letters: list[redriving.DeadLetter] = []
    for url, found in sorted(queues.items(), key=lambda item: item[1]["name"]):
        inside = redriving.collect(target, url, found)
        output.mark(
            "bad" if inside else "done", f"{found['name']}: {len(inside) or 'no'} dead letter{'s'[: len(inside) != 1]}"
        )
        for letter in inside:
            where = letter.destination.title if letter.destination else "nowhere (it doesn't say where it came from)"
            output.plain(f"    → {where}: {letter.reason}")
            output.plain(f"      {letter.body[:200]}")
        letters += inside
    movable = [letter for letter in letters if letter.destination]
    if not movable:
        redriving.release(target, letters)
        return
    if not yes and not click.confirm(f"Send {len(movable)} back?"):
        redriving.release(target, letters)
        output.mark("note", "nothing was sent")
        return
    for letter in movable:
        redriving.send_back(target, letter)
    redriving.release(target, [letter for letter in letters if not letter.destination])
    output.mark("done", f"{len(movable)} sent back")
