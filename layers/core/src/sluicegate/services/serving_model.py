"""The SageMaker Model of a run, made from the artifact that its training left. Making it again is making it once."""

from __future__ import annotations

import logging

from sluicegate.domain import names
from sluicegate.domain.algorithms import Algorithm
from sluicegate.domain.errors import AlreadyExists
from sluicegate.domain.items import RunItem
from sluicegate.ports import Jobs, Storage
from sluicegate.services import code
from sluicegate.services.ledger import tags

log = logging.getLogger(__name__)


def make(
    jobs: Jobs, storage: Storage, region: str, prefix: str, run: RunItem, name: str, job: str, algorithm: Algorithm
) -> None:
    """The SageMaker Model ``name`` of what ``job`` trained for ``run``."""
    owner, model = names.owner(prefix, name), run["model"]
    artifact = storage.uri(names.artifact(model, job))
    label = tags(model, owner.run if owner else None)
    try:
        jobs.create_model(name, algorithm.serving_image(region), artifact, label, code.serving(run, algorithm))
    except AlreadyExists:
        log.info("SageMaker Model %s is there already", name)
