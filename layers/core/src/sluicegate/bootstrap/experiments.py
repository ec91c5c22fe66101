"""What leads experiments."""

from __future__ import annotations

from functools import cache

from sluicegate.adapters.aws import client
from sluicegate.adapters.endpoints import SageMakerEndpoints
from sluicegate.adapters.tallies import DynamoTallies
from sluicegate.bootstrap.base import bell, jobs, ledger, prefix, region, registry, setting, storage
from sluicegate.bootstrap.serving import scaling
from sluicegate.services.blueprint import Blueprint
from sluicegate.services.experiment import Experiments
from sluicegate.services.experiment_looks import Looks
from sluicegate.services.lanes import Lanes
from sluicegate.services.routing import RoutingTable
from sluicegate.services.scaling import Scaler
from sluicegate.services.variants import Variants


@cache
def experiments() -> Experiments:
    tallies = DynamoTallies(client("dynamodb"), setting("REGISTRY_TABLE"))
    endpoints = SageMakerEndpoints(client("sagemaker"))
    blueprint = Blueprint(registry(), storage(), endpoints, jobs(), prefix(), region())
    lanes = Lanes(registry(), endpoints, blueprint, prefix())
    scaler = Scaler(ledger(), scaling(), blueprint, prefix())
    variants = Variants(registry(), storage(), endpoints, blueprint, scaler, prefix())
    routing = RoutingTable(registry(), storage(), prefix())
    return Experiments(ledger(), Looks(storage(), tallies), lanes, variants, routing, bell())
