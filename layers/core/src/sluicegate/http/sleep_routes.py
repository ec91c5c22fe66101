"""The routes that put an endpoint to sleep and wake it (``http.steering``)."""

from __future__ import annotations

from sluicegate.http.answers import Json
from sluicegate.http.steering import Call, Route
from sluicegate.services.sleep_orders import Ordered, SleepOrders


def sleep_routes(orders: SleepOrders) -> dict[tuple[str, str], Route]:
    def told(call: Call, ordered: Ordered) -> tuple[int, Json]:
        body = {"model": call.model, "done": ordered.done, "endpoint_state": ordered.state, "message": ordered.message}
        return (202 if ordered.done else 200), body

    return {
        ("POST", "/models/{model}/sleep"): Route(lambda c: told(c, orders.sleep(c.model, c.by, c.now))),
        ("POST", "/models/{model}/wake"): Route(lambda c: told(c, orders.wake(c.model, c.by, c.now))),
    }
