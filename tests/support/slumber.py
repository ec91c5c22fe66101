"""A ``Stage`` whose endpoint may sleep: the reaper, predictions that ask for it, and what ``predict`` is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sluicegate.domain.errors import Conflict, Transient
from sluicegate.services.costs import Costs
from sluicegate.services.reap import Reap
from sluicegate.services.sleep_orders import SleepOrders
from sluicegate.services.sleeping import table_price
from sluicegate.services.wake_endpoint import WakeEndpoint
from tests.support.fakes import FakeBell, FakeCalls, FakeEndpoints, FakePrices, World
from tests.support.stage import ANN, ENDPOINT, MODEL, PREFIX, REGION, Stage

IDLE = "idle_shutdown: 2h\n"


class Slumbering(Stage):
    def __init__(self, settings: str = IDLE, world: World | None = None, usd: float | None = 0.2) -> None:
        super().__init__(settings, world)
        self.calls = FakeCalls()
        self.prices = FakePrices(usd)

    def live_version(self) -> Slumbering:
        """With a version that serves."""
        self.add("approved")
        self.play()
        assert self.live == 1
        return self

    def wait(self, **span: float) -> Slumbering:
        self.world.now += timedelta(**span)
        return self

    def call(self) -> None:
        """Somebody calls the endpoint."""
        self.calls.made.setdefault(ENDPOINT, []).append(self.world.now)

    def deliver(self, kind: str, about: str) -> str:
        now, bell = self.world.now, FakeBell(self.world)
        if kind == "reap":
            costs = Costs(self.registry, self.prices, REGION)
            return str(Reap(self.ledger(), self.endpoints, self.calls, costs, bell, PREFIX).look(now))
        if kind == "wake":
            return WakeEndpoint(self.ledger(), bell).asked(about, now)
        if kind in ("person sleeps", "person wakes"):
            orders = SleepOrders(self.ledger(), bell, table_price(REGION))
            order = orders.sleep if kind == "person sleeps" else orders.wake
            return order(MODEL, ANN, now).message
        return super().deliver(kind, about)

    def reap(self) -> None:
        self.attempt("reap", "")

    def ask(self) -> None:
        """A prediction finds that the endpoint sleeps."""
        self.attempt("wake", MODEL)

    @property
    def routing(self) -> dict[str, Any]:
        found: dict[str, Any] = self.storage.json(f"routing/{MODEL}.json")
        return found

    @property
    def sleep(self) -> dict[str, Any] | None:
        return self.registry.model(MODEL).get("sleep")  # type: ignore[no-any-return]

    @property
    def there(self) -> bool:
        return ENDPOINT in self.endpoints.states


class SlowEndpoints(FakeEndpoints):
    """As SageMaker: deleting takes a while, and what is busy can't be deleted."""

    def delete(self, name: str) -> None:
        state = self.endpoint(name)
        if not (state.free or state.broken):
            raise Conflict(f"Cannot update in-progress endpoint {name}")
        self.states[name] = replace(state, status="Deleting")
        self.world.effect(f"delete endpoint {name}")

    def settle(self, name: str, failure: str = "") -> None:
        if self.states[name].status == "Deleting":
            del self.states[name]
            self.world.say("endpoint", name)
        else:
            super().settle(name, failure)


class SlowSlumbering(Slumbering):
    def __init__(self, settings: str = IDLE) -> None:
        super().__init__(settings)
        self.endpoints = SlowEndpoints(self.world)

    def attempt(self, kind: str, about: str) -> None:
        """A delivery that fails comes again."""
        try:
            super().attempt(kind, about)
        except Transient:
            self.collect()
            self.pending.append((kind, about))

    def sagemaker(self, failure: str = "") -> bool:
        for name, state in self.endpoints.states.items():
            if state.status in ("Creating", "Updating", "Deleting"):
                self.endpoints.settle(name, failure)
                return True
        return False
