"""One variant of an endpoint and its processes: a process for each instance, up to a bound."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from local_region.ports import Json
from local_region.sagemaker.serving import PING_SECONDS, Server, StartFailure

#: processes of one variant, whatever its instance count says: this is one machine
MOST_PROCESSES = 4
#: how long a process that is taken out waits for requests in flight: the model timeout and a little
DRAIN_SECONDS = 65.0


class Variant:
    """``make`` makes a server that is not started. Weight and instances are what serves, ``desired_`` what is asked."""

    def __init__(self, config: Json, image: str, make: Callable[[], Server]) -> None:
        self.config, self.image, self._make = config, image, make
        self.weight = self.desired_weight = float(config["InitialVariantWeight"])
        self.instances = self.desired_instances = int(config.get("InitialInstanceCount", 1))
        self.status: list[Json] = []  # VariantStatus while its capacity changes
        self._changed = threading.Condition()
        self._requests: dict[Server, int] = {}  # of each process, also of those that leave
        self._serving: list[Server] = []  # the one started first is first

    @property
    def name(self) -> str:
        return str(self.config["VariantName"])

    @property
    def servers(self) -> list[Server]:
        with self._changed:
            return list(self._serving)

    def start(self) -> None:
        """All or nothing; ``StartFailure`` names the variant."""
        self._add(min(self.instances, MOST_PROCESSES))

    def scale(self, instances: int) -> None:
        """As many processes as ``instances``, up to the bound. Those that go let their requests end first.
        ``StartFailure`` when new ones don't come up; then all is as it was."""
        wanted = max(1, min(instances, MOST_PROCESSES))
        if wanted > len(self._serving):
            self._add(wanted - len(self._serving))
        with self._changed:
            self.instances = instances
            self._serving, leaving = self._serving[:wanted], self._serving[wanted:]
            self._changed.wait_for(lambda: not any(self._requests[server] for server in leaving), DRAIN_SECONDS)
        for server in leaving:
            server.stop()
        with self._changed:
            for server in leaving:
                del self._requests[server]

    def _add(self, count: int) -> None:
        timeout = self.config.get("ContainerStartupHealthCheckTimeoutInSeconds", PING_SECONDS)
        try:
            made = [self._make() for _ in range(count)]
            with ThreadPoolExecutor(max(1, count)) as pool:
                results = [pool.submit(server.start, timeout) for server in made]
            failures = [error for result in results if (error := result.exception()) is not None]
        except StartFailure as error:
            made, failures = [], [error]
        if failures:
            for server in made:
                server.stop()
            if isinstance(failures[0], StartFailure):
                raise StartFailure(f"Production variant {self.name}: {failures[0]}") from failures[0]
            raise failures[0]
        with self._changed:
            self._requests.update(dict.fromkeys(made, 0))
            self._serving += made

    @contextmanager
    def borrowed(self) -> Iterator[Server]:
        """The process with the fewest requests, for one more."""
        with self._changed:
            server = min(self._serving, key=self._requests.__getitem__)
            self._requests[server] += 1
        try:
            yield server
        finally:
            with self._changed:
                self._requests[server] -= 1
                if not self._requests[server]:
                    self._changed.notify_all()

    def stop(self) -> None:
        for server in self.servers:
            server.stop()

    def summary(self) -> Json:
        """As in DescribeEndpoint's ProductionVariants."""
        found: Json = {
            "VariantName": self.name,
            "DeployedImages": [{"SpecifiedImage": self.image, "ResolvedImage": self.image}],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.desired_weight,
        }
        serverless = self.config.get("ServerlessConfig")
        if serverless:
            found |= {
                "CurrentServerlessConfig": serverless,
                "DesiredServerlessConfig": serverless,
                "CurrentInstanceCount": 0,
            }
        else:
            found |= {"CurrentInstanceCount": self.instances, "DesiredInstanceCount": self.desired_instances}
        if self.status:
            found["VariantStatus"] = list(self.status)
        return found
