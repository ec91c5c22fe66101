"""Two models' lives, in acts: one on a serverless endpoint, one on instances; and what may happen to them meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache

from sluicegate.services.experiment_terms import CannotStart
from sluicegate.services.steer import NotPossible
from tests.support.contest import MODEL
from tests.support.fakes import World
from tests.support.flow import table
from tests.support.life import Act, Happening, Life, Told

YAML = f"models/{MODEL}/model.yaml"
CANARY = b"deployment: {strategy: canary, percent: 10, bake: 10m}\n"
INSTANCES = b"endpoint: {instance: ml.m5.large, min: 1, max: 3}\n"
BATCH = b"id,height,color\n1,80,red\n2,x,red\n3,20,pink\n"
#: a challenger that is plainly better
BETTER = {"champion": (1600, 160), "challenger": (400, 120)}


def uploads(name: str, seed: int, settings: bytes = b"") -> Callable[[Life], None]:
    def begins(life: Life) -> None:
        if settings:
            life.put(YAML, settings)
        life.put(f"data/{MODEL}/{name}.csv", table(120 + seed, seed))

    return begins


def person(does: str, *what: object) -> Callable[[Life], None]:
    return lambda life: life.pending.append(("person", does, what))


def wakes(life: Life) -> None:
    life.pending.append(("wake", "asked", MODEL))


def shared(life: Life) -> bool:
    return any(item["status"] == "running" for item in life.registry.experiments(MODEL))


LIVES: Mapping[str, tuple[Act, ...]] = {
    "serverless": (
        Act("first", uploads("a", 1)),
        Act("second", uploads("b", 2)),
        Act("batch", lambda life: life.put(f"batch/{MODEL}/june.csv", BATCH)),
        Act("canary", uploads("c", 3, CANARY)),
        Act("back", person("deploys", 1)),
        Act("compare", person("starts", 3, "one"), shared),
        Act("promote", lambda life: life.serve(BETTER)),
        Act("sleep", person("sleeps")),
        Act("asleep", uploads("d", 4)),
        Act("wake", wakes),
    ),
    "instances": (
        Act("first", uploads("a", 1, INSTANCES)),
        Act("second", uploads("b", 2)),
        Act("guarded", uploads("c", 3, INSTANCES + CANARY)),
        Act("compare", person("starts", 1, "one"), shared),
        Act("keep", person("decides", "keep")),
        Act("again", person("starts", 2, "another"), shared),
        Act("promote", person("decides", "promote")),
        Act("sleep", person("sleeps")),
        Act("wake", wakes),
    ),
}


@cache
def told(life: str) -> Told:
    return Told(Life(World()), LIVES[life])


# what may happen at any time


def _newest(life: Life) -> int:
    versions = life.registry.versions(MODEL)
    return versions[0]["version"] if versions else 0


def _asks(does: Callable[[Life], object], least: int = 1) -> Happening:
    """A person's request, which may be refused; of versions from ``least`` on."""

    def happens(life: Life) -> None:
        if _newest(life) >= least:
            with suppress(NotPossible, CannotStart):
                does(life)

    return happens


def _refused(life: Life) -> None:
    if _newest(life):
        life.refuse(_newest(life))


def _deleted(life: Life) -> None:
    if f"data/{MODEL}/a.csv" in life.storage.objects:
        life.delete(f"data/{MODEL}/a.csv")


def _ticks(life: Life) -> None:
    life.attempt("tick", "tick", None)
    life.attempt("look", "look", life.world.now)


HAPPENINGS: Mapping[str, Happening] = {
    "the newest version is rejected in SageMaker": _refused,
    "the endpoint is deleted in SageMaker": Life.remove_endpoint,
    "jobs are stopped in SageMaker": Life.stop_jobs,
    "version 1 is chosen": _asks(lambda life: life.person_deploys(1)),
    "version 2 is chosen": _asks(lambda life: life.person_deploys(2), 2),
    "an experiment is asked for": _asks(lambda life: life.person_starts(1, "other"), 2),
    "an experiment is stopped": _asks(lambda life: life.person_decides("stop")),
    "it is put to sleep": _asks(Life.person_sleeps),
    "a prediction finds it asleep": wakes,
    "a file is replaced": lambda life: life.put(f"data/{MODEL}/a.csv", table(160, 9)),
    "a file is deleted": _deleted,
    "the settings change": lambda life: life.put(YAML, b"evaluation: {metric: auc, minimum: 0.6}\n"),
    "the settings are broken": lambda life: life.put(YAML, b"evaluation: {minimum: often}\n"),
    "the schedules come": _ticks,
    "SageMaker ends something": Life.sagemaker,
}
