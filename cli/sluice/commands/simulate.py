"""``simulate``: what would happen, by the code that decides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sluice import output
from sluice.errors import CliError

if TYPE_CHECKING:
    from sluice.simulating import Life
    from sluice.worlds import World

_EXAMPLE = """\
lanes:
  v1: {rate: 0.10}
  v2: {rate: 0.12}
traffic: 400
experiment: {traffic: 0.5}
"""


@click.group("simulate")
def simulate_command() -> None:
    """Try settings in a world that you declare, before real traffic does."""


@simulate_command.command("experiment")
@click.option(
    "--world", "path", type=click.Path(path_type=Path), help="The world, in YAML; - reads it. [default: shown]"
)
@click.option("--times", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="How many lives.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed, the same lives.")
@click.option("--processes", type=click.IntRange(1, 64), help="[default: one a core]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def experiment_command(path: Path | None, times: int, seed: int, processes: int | None, as_json: bool) -> None:
    """Run an experiment many times in a declared world, and count how it ends.

    The looks, tests, guardrails and shares of traffic are those of a real experiment: the same code, with outcomes
    drawn from what the world says is true. So the table shows how often a version that is better is promoted, how
    often one that isn't, how long it takes, and what is lost on the way (regret: the outcomes that always asking the
    best lane would have brought more).

    A world is YAML; only lanes and traffic are needed. The first lane is the champion:

    \b
      lanes:
        v1: {rate: 0.10}                       # truly converts one in ten
        v2: {rate: 0.12, errors: 0.001, latency: 30}
      traffic: 400                             # requests an hour that take part
      delay: 6h                                # outcomes come so much later on average
      requests_per_subject: 5                  # on average; default 1, each request is somebody else's
      subject_effect: 0.2                      # the share of the outcomes' variance that lies between subjects
      changes:
        - {at: 5d, lane: v2, rate: 0.09}       # from then on
      experiment: {mode: ab, traffic: 0.5, horizon: 4000}

    \b
    experiment: is model.yaml's. With goal: mean, lanes have {mean: 3.2, deviation: 2} instead of a rate.
    Give both lanes the same rate to see how often the test is wrong. A thousand A/B tests take seconds; a bandit, which
    computes its shares at each look, takes about a tenth of a second for 50 looks.

    \b
      sluice simulate experiment --world examples/world.yaml
      sluice simulate experiment --world - --times 200 --json < world.yaml
    """
    from sluice.simulating import simulate
    from sluice.worlds import BadWorld, read_world

    try:
        world = read_world(_text(path))
    except BadWorld as error:
        raise CliError(f"The world has a mistake: {error}", "`sluice simulate experiment --help` shows one.") from error
    lives = simulate(world, times, seed, processes)
    found = summary(world, lives)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    _show(world, found)


def _text(path: Path | None) -> str:
    if path is None:
        return _EXAMPLE
    if str(path) == "-":
        return click.get_text_stream("stdin").read()
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path} can't be read as text.", "Name a YAML file with --world.", exit_code=2) from error


def summary(world: World, lives: Sequence[Life]) -> dict[str, Any]:
    """How often each end came, and of all lives and each end the 5 %, 50 % and 95 % of samples, hours and regret."""
    ends = Counter((life.decision, life.lane) for life in lives)
    rows = []
    for (decision, lane), count in sorted(ends.items(), key=lambda pair: (-pair[1], pair[0][0], pair[0][1] or "")):
        these = [life for life in lives if (life.decision, life.lane) == (decision, lane)]
        rows.append({"decision": decision, "lane": lane, "count": count, "share": count / len(lives)} | _ranges(these))
    return {
        "times": len(lives),
        "mode": world.experiment.mode,
        "looks": world.looks,
        "champion": world.first,
        "all": _ranges(lives) | {"mean_regret": sum(life.regret for life in lives) / len(lives)},
        "ends": rows,
    }


def _ranges(lives: Sequence[Life]) -> dict[str, list[float]]:
    return {
        "samples": _quantiles([float(life.samples) for life in lives]),
        "hours": _quantiles([life.seconds / 3600 for life in lives]),
        "regret": _quantiles([life.regret for life in lives]),
    }


def _quantiles(values: list[float]) -> list[float]:
    ordered = sorted(values)
    return [ordered[round(share * (len(ordered) - 1))] for share in (0.05, 0.5, 0.95)]


def _show(world: World, found: dict[str, Any]) -> None:
    rows = [
        [
            " ".join(part for part in (row["decision"].replace("_", " "), row["lane"]) if part),
            f"{row['share']:.1%}",
            _range(row["samples"], "{:,.0f}"),
            _range([hours / 24 for hours in row["hours"]], "{:.1f}"),
            _range(row["regret"], "{:,.1f}"),
        ]
        for row in found["ends"]
    ]
    output.table(["end", "of all", "samples", "days", "regret"], rows, "no life")
    whole = found["all"]
    click.echo(
        f"{found['times']:,} lives, up to {found['looks']:,} looks each. Half end within {whole['samples'][1]:,.0f} "
        f"samples and {whole['hours'][1] / 24:.1f} days; mean regret {whole['mean_regret']:,.1f}. "
        "Ranges are the median and 5 % to 95 %."
    )
    if world.requests_per_subject > 1:
        click.echo(
            f"Subjects ask {world.requests_per_subject:g} times on average, and {world.subject_effect:.0%} of the "
            "outcomes' variance lies between them."
        )
    lanes = world.at(0.0)
    for name, lane in lanes.items():
        said = f"rate {lane.rate:g}" if lane.rate is not None else f"mean {lane.mean:g} ± {lane.deviation:g}"
        click.echo(f"  {name}: {said}" + (" (champion)" if name == found["champion"] else ""))


def _range(values: Sequence[float], form: str) -> str:
    low, middle, high = (form.format(value) for value in values)
    return middle if low == high else f"{middle} ({low} to {high})"
