"""What leads experiments."""

from __future__ import annotations

from functools import cache

from sluicegate.bootstrap.base import (
    bell,
    endpoints,
    jobs,
    ledger,
    prefix,
    region,
    registry,
    scaling,
    storage,
    tallies,
)
from sluicegate.services.blueprint import Blueprint
from sluicegate.services.experiment import Experiments
from sluicegate.services.experiment_looks import Looks
from sluicegate.services.lanes import Lanes
from sluicegate.services.routing import RoutingTable
from sluicegate.services.scaling import Scaler
from sluicegate.services.variants import Variants


@cache
def experiments() -> Experiments:
    blueprint = Blueprint(registry(), storage(), endpoints(), jobs(), prefix(), region())
    lanes = Lanes(registry(), endpoints(), blueprint, prefix())
    scaler = Scaler(ledger(), scaling(), blueprint, prefix())
    variants = Variants(registry(), storage(), endpoints(), blueprint, scaler, prefix())
    routing = RoutingTable(registry(), storage(), prefix())
    return Experiments(ledger(), Looks(storage(), tallies()), lanes, variants, routing, bell())
