"""What an experiment is to find out, and about whom: from model.yaml and what a person asked for, before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluicegate.domain.durations import duration_seconds
from sluicegate.domain.errors import NotFound, UserError
from sluicegate.domain.experiment_items import ContenderItem
from sluicegate.domain.items import ModelItem, VersionItem
from sluicegate.domain.settings_reader import experiment_settings, parse_settings
from sluicegate.domain.settings_reward import Reward
from sluicegate.ports import RegistryReader

CHAMPION = "champion"
MOST_CHALLENGERS = 4
#: a version of which this is said may be compared, as it may be deployed
_MAY_SERVE = ("approved", "pending_approval", "retired", "failed")
#: keys of one mode that mean nothing in the other
_OF_MODE = {"ab": ("traffic", "horizon"), "bandit": ("bandit",)}


class CannotStart(UserError):
    """There can be no such experiment now; the message says why and what to do."""


@dataclass(frozen=True)
class Wanted:
    """``given`` are keys of model.yaml's part ``experiment`` that win over it. ``mode``: ab | bandit | shadow | None.

    ``cause`` names what asked for it, once and for all: the same cause is the same experiment.
    """

    challengers: tuple[int, ...]
    cause: tuple[str, ...]
    who: str
    why: str = ""
    mode: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Terms:
    """What never changes while the experiment runs. ``design`` is JSON; ``look_every`` is in seconds."""

    mode: str
    lanes: tuple[ContenderItem, ...]
    design: dict[str, Any]
    decides: str
    look_every: int


def slots(challengers: Sequence[int]) -> list[str]:
    """
    >>> slots([4, 7, 9])
    ['challenger', 'challenger-2', 'challenger-3']
    """
    return ["challenger" if number == 1 else f"challenger-{number}" for number in range(1, len(challengers) + 1)]


def terms(item: ModelItem, wanted: Wanted) -> Terms:
    """Raises ``CannotStart``, and ``SettingsError`` for what was given. Whether it may start is another question."""
    champion = item.get("live_version")
    if champion is None:
        raise CannotStart("No champion", f"No version of {item['model']} is live, so there is nothing to compare with.")
    if not 1 <= len(wanted.challengers) <= MOST_CHALLENGERS or len(set(wanted.challengers)) < len(wanted.challengers):
        given = ", ".join(map(str, wanted.challengers)) or "none"
        raise CannotStart(
            "Challengers", f"Given: {given}.", f"Accepted are 1 to {MOST_CHALLENGERS} versions, each once."
        )
    names = slots(wanted.challengers)
    lanes = (
        ContenderItem(slot=CHAMPION, version=champion),
        *(ContenderItem(slot=slot, version=number) for slot, number in zip(names, wanted.challengers, strict=True)),
    )
    if wanted.mode == "shadow" and len(wanted.challengers) > 1:
        raise CannotStart("One shadow", "A shadow experiment has one challenger.", "Name one version.")
    settings = experiment_settings(_merged(item, wanted))
    if wanted.mode == "shadow":
        sample = settings.traffic if "traffic" in settings.model_fields_set else 1.0
        design: dict[str, Any] = {
            "mode": "shadow",
            "champion": CHAMPION,
            "sample": sample,
            "max_duration": float(duration_seconds(settings.max_duration)),
        }
    else:
        design = settings.design(CHAMPION, names).to_json()
    return Terms(design["mode"], lanes, design, settings.decision, duration_seconds(settings.look_every))


def _merged(item: ModelItem, wanted: Wanted) -> dict[str, Any]:
    """model.yaml's part ``experiment`` with what was given; a mode that was given takes the other's keys away."""
    settings = parse_settings(item.get("settings") or "")
    base = settings.experiment.model_dump(exclude_unset=True)
    given = dict(wanted.given)
    if wanted.mode in ("ab", "bandit"):
        given["mode"] = wanted.mode
    mode = given.get("mode")
    if mode is not None and mode != base.get("mode", "ab"):
        for key in _OF_MODE.get(base.get("mode", "ab"), ()):
            base.pop(key, None)
    for key, value in given.items():
        before = base.get(key)
        base[key] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    _rewards(base, settings.feedback.reward)
    return base


def _rewards(base: dict[str, Any], taken: Reward | None) -> None:
    """What feedback may say is what an experiment counts: the range of its rewards is theirs, where it names none."""
    goal = base.get("goal", "conversion")
    if taken is None or "reward" in base:
        return
    if goal == "mean":
        base["reward"] = {"min": float(taken.min), "max": float(taken.max)}
    elif not 0 <= taken.min < taken.max <= 1:
        raise CannotStart(
            "Rewards are no conversions",
            f"feedback.reward is {taken.min:g} to {taken.max:g}; a conversion is 0 or 1.",
            "Name goal: mean in model.yaml's part experiment, or in the request.",
        )


def check(item: ModelItem, wanted: Wanted, registry: RegistryReader) -> None:
    """Raises ``CannotStart`` with what keeps these versions from being compared now."""
    model, champion = item["model"], item.get("live_version")
    if item.get("sleep"):
        raise CannotStart("Asleep", f"{model} is asleep.", f"Wake it first: sluice wake {model}")
    ordered = [item.get("desired_version"), item.get("deploying_version")]
    coming = next((number for number in ordered if number is not None and number != champion), None)
    if coming is not None:
        raise CannotStart("A deployment is under way", f"Version {coming} is about to replace version {champion}.")
    if item.get("traffic") is not None or item.get("rollout") is not None:
        raise CannotStart("Traffic is being shifted", f"The traffic of {model} is shared by a rollout until it ends.")
    for number in wanted.challengers:
        if number == champion:
            raise CannotStart("Challengers", f"Version {number} is the champion.", "Name another version.")
        try:
            version = registry.version(model, number)
        except NotFound as error:
            raise CannotStart("No such version", f"{model} has no version {number}.") from error
        unfit(version)


def unfit(version: VersionItem) -> None:
    """Raises ``CannotStart`` for a version that must not serve."""
    if version["status"] not in _MAY_SERVE:
        reason = f": {version['reason']}" if version.get("reason") else ""
        raise CannotStart(
            "Not a challenger",
            f"Version {version['version']} is {version['status']}{reason}",
            f"Accepted is a version that is {', '.join(_MAY_SERVE[:-1])} or {_MAY_SERVE[-1]}.",
        )
