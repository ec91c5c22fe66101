"""``init`` and ``check``: a model's settings file."""

from __future__ import annotations

from pathlib import Path

import click

from sluice import output
from sluice.errors import CliError

TEMPLATE = Path(__file__).resolve().parents[1] / "model.template.yaml"


@click.command("init")
@click.argument("model")
@click.option("--output", "-o", "path", type=click.Path(path_type=Path), help="[default: model.yaml; - prints it]")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def init_command(model: str, path: Path | None, force: bool) -> None:
    """Write a commented model.yaml for MODEL, every key with its default.

    No model needs one: a CSV with a header is enough. To use it:

    \b
      sluice init churn
      aws s3 cp model.yaml s3://$SLUICE_BUCKET/models/churn/model.yaml
    """
    from sluicegate.domain.names import is_model

    if not is_model(model):
        raise CliError(
            f"{model} can't be a model's name.",
            "It needs 1 to 40 of a-z, 0-9 and hyphens, starting with a letter and not ending in a hyphen.",
            exit_code=2,
        )
    text = TEMPLATE.read_text().replace("{model}", model)
    if path is not None and str(path) == "-":
        click.echo(text, nl=False)
        return
    target = path or Path("model.yaml")
    if target.exists() and not force:
        raise CliError(f"{target} exists already.", "Name another with -o, or overwrite it with --force.")
    target.write_text(text)
    output.mark("done", f"{target}; use it with: aws s3 cp {target} s3://$SLUICE_BUCKET/models/{model}/model.yaml")


@click.command("check")
@click.argument("path", metavar="FILE.yaml", type=click.Path(path_type=Path))
def check_command(path: Path) -> None:
    """Say whether a model.yaml is right, as the application would."""
    from sluicegate.domain.errors import SettingsError
    from sluicegate.domain.settings import parse_settings

    if not path.is_file():
        raise CliError(f"There is no file {path}.", "`sluice init MODEL` writes one.", exit_code=2)
    try:
        parse_settings(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise CliError(f"{path} is not UTF-8 text.", "Save it as UTF-8.") from error
    except SettingsError as error:
        raise CliError(f"{error.title}: {error.detail}", error.remedy) from error
    output.mark("done", f"{path} is right")
