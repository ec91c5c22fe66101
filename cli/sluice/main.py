"""The ``sluice`` command: options, the list of commands, and errors as sentences."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from sluice.context import Context
from sluice.errors import CliError, translate

#: command → module under ``sluice.commands`` (loaded when used, so that `sluice env` is quick), in the order of --help
COMMANDS = {
    "Local region": {
        "up": "region",
        "down": "region",
        "status": "region",
        "env": "region",
        "events": "region",
        "calls": "region",
        "clock": "clock",
    },
    "Application": {
        "deploy": "application",
        "example": "application",
        "next": "application",
        "logs": "application",
        "redrive": "application",
    },
    "Models": {
        "watch": "models",
        "models": "models",
        "model": "models",
        "uploads": "models",
        "runs": "models",
        "trials": "models",
        "versions": "versions",
        "approve": "versions",
        "reject": "versions",
        "rollback": "versions",
        "sleep": "sleep",
        "wake": "sleep",
        "experiment": "experiment",
        "lineage": "lineage",
        "report": "reports",
        "drift": "drift",
        "predict": "models",
        "feedback": "feedback",
        "batch": "batches",
        "batches": "batches",
        "open": "models",
    },
    "Settings": {"init": "settings", "check": "settings", "simulate": "simulate"},
}
_MODULES = {name: module for group in COMMANDS.values() for name, module in group.items()}


class SluiceGroup(click.Group):
    """Commands loaded when used, and listed by what they are about."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _MODULES:
            return None
        module = importlib.import_module(f"sluice.commands.{_MODULES[cmd_name]}")
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _MODULES and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], _MODULES, n=1)
            hint = f"Did you mean `sluice {near[0]}`?" if near else "`sluice --help` lists the commands."
            raise CliError(f"There is no command {args[0]}.", hint, exit_code=2)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in COMMANDS.items():
            with formatter.section(title):
                rows = []
                for name in names:
                    command = self.get_command(ctx, name)
                    rows.append((name, command.get_short_help_str(80) if command else ""))
                formatter.write_dl(rows)


@click.group(cls=SluiceGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name=None, version="0.1.0", prog_name="sluice")
@click.option("--state-dir", metavar="DIR", help="Folder of the local region. [default: nearest .sluice]")
@click.option("--stack-name", metavar="NAME", help="CloudFormation stack of the application. [default: sluicegate]")
@click.option("--aws", "on_aws", is_flag=True, help="Use AWS even though a local region runs here.")
@click.option("--profile", metavar="NAME", help="AWS profile; implies --aws.")
@click.option("--region", "region_name", metavar="NAME", help="AWS region.")
@click.option("--debug", is_flag=True, help="Show whole tracebacks and AWS exchanges.")
@click.pass_context
def cli(
    ctx: click.Context,
    state_dir: str | None,
    stack_name: str | None,
    on_aws: bool,
    profile: str | None,
    region_name: str | None,
    debug: bool,
) -> None:
    """Data dropped in S3 becomes a live model behind an HTTP API.

    The commands work on the local region of this folder when one runs, and otherwise on your AWS account.

    \b
    Start, deploy, and make a model of a CSV with a header:
      sluice up
      sluice deploy
      eval "$(sluice env)"
      aws s3 cp customers.csv s3://$SLUICE_BUCKET/data/churn/
      sluice watch churn
      sluice predict churn age=41 plan=basic
    \b
    Look at what happened:
      sluice models
      sluice runs churn
      sluice logs -f
    """
    ctx.obj = Context(state_dir, stack_name, profile, region_name, on_aws)
    if debug:
        import logging

        logging.basicConfig(level=logging.DEBUG)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        status = cli.main(args=given, prog_name="sluice", standalone_mode=False)
    except click.Abort:
        click.echo("Stopped.", err=True)
        status = 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: nothing more to say, and no complaint at exit
        status = 0
    except Exception as error:
        if debug:
            raise
        status = _explain(error)
    sys.exit(status if isinstance(status, int) else 0)


def _explain(error: Exception) -> int:
    """Say what went wrong; returns the exit status."""
    known = error if isinstance(error, click.ClickException) else translate(error)
    if known is None:
        click.echo(f"Error: {type(error).__name__}: {error}", err=True)
        click.echo("  This should not happen; `sluice --debug …` shows where it did.", err=True)
        return 70
    if isinstance(known, click.UsageError):
        known.show()
    else:
        click.echo(click.style("Error: ", fg="red", bold=True) + known.format_message(), err=True)
    return known.exit_code
