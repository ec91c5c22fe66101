"""The serving processes of one endpoint config: started together, chosen by weight, drained before they end."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from local_region.ports import Json, Region
from local_region.sagemaker.records import Record
from local_region.sagemaker.serving import PING_SECONDS, Server, StartFailure, new_stream

#: how long a fleet that is replaced waits for requests in flight: the model timeout and a little
DRAIN_SECONDS = 65.0


@dataclass
class Variant:
    """A production variant and its process. One process serves, whatever the instance count says."""

    config: Json
    server: Server
    image: str
    weight: float
    instances: int

    @property
    def name(self) -> str:
        return str(self.config["VariantName"])


class Fleet:
    """The variants of one endpoint config; knows how many requests are in flight."""

    def __init__(self, region: Region, endpoint: str, config: Record, models: dict[str, Record]) -> None:
        self.config = config
        self.variants: dict[str, Variant] = {}
        self._condition = threading.Condition()
        self._in_flight = 0
        self._closed = False
        group = f"/aws/sagemaker/Endpoints/{endpoint}"
        for variant in config.request["ProductionVariants"]:
            container = models[variant["ModelName"]].request["PrimaryContainer"]
            name = variant["VariantName"]
            server = Server(
                region,
                container["Image"],
                container.get("ModelDataUrl"),
                container.get("Environment") or {},
                group,
                new_stream(region, name),
                models[variant["ModelName"]].request.get("ExecutionRoleArn"),
            )
            self.variants[name] = Variant(
                variant,
                server,
                container["Image"],
                float(variant["InitialVariantWeight"]),
                variant.get("InitialInstanceCount", 1),
            )

    def start(self) -> None:
        """All or nothing; ``StartFailure`` names the variant."""

        def one(variant: Variant) -> None:
            timeout = variant.config.get("ContainerStartupHealthCheckTimeoutInSeconds", PING_SECONDS)
            try:
                variant.server.start(timeout)
            except StartFailure as error:
                raise StartFailure(f"Production variant {variant.name}: {error}") from error

        with ThreadPoolExecutor(len(self.variants)) as pool:
            results = [pool.submit(one, variant) for variant in self.variants.values()]
        failures = [error for result in results if (error := result.exception()) is not None]
        if failures:
            self.stop()
            raise failures[0]

    def take_over(self, other: Fleet, properties: Collection[str]) -> None:
        """Weights and instance counts of the same variants (``DesiredWeight``, ``DesiredInstanceCount``)."""
        for name in self.variants.keys() & other.variants.keys():
            mine, theirs = self.variants[name], other.variants[name]
            if "DesiredWeight" in properties:
                mine.weight = theirs.weight
            if "DesiredInstanceCount" in properties:
                mine.instances = theirs.instances

    def enter(self) -> bool:
        """Count a request in; False once the fleet is closing, when there is another one to use."""
        with self._condition:
            if self._closed:
                return False
            self._in_flight += 1
            return True

    def leave(self) -> None:
        with self._condition:
            self._in_flight -= 1
            if not self._in_flight:
                self._condition.notify_all()

    def choose(self) -> Variant | None:
        """A variant at random by weight; None when all weights are 0."""
        variants = list(self.variants.values())
        if len(variants) == 1:
            return variants[0]
        weights = [variant.weight for variant in variants]
        return random.choices(variants, weights)[0] if sum(weights) > 0 else None  # noqa: S311 - traffic, no secret

    def drain(self) -> None:
        """Let requests in flight end, then end the processes."""
        with self._condition:
            self._closed = True
            self._condition.wait_for(lambda: not self._in_flight, DRAIN_SECONDS)
        self.stop()

    def stop(self) -> None:
        self._closed = True
        for variant in self.variants.values():
            variant.server.stop()

    def summaries(self) -> list[Json]:
        """As DescribeEndpoint's ProductionVariants."""
        found = []
        for variant in self.variants.values():
            images = [{"SpecifiedImage": variant.image, "ResolvedImage": variant.image}]
            summary: Json = {
                "VariantName": variant.name,
                "DeployedImages": images,
                "CurrentWeight": variant.weight,
                "DesiredWeight": variant.weight,
            }
            serverless = variant.config.get("ServerlessConfig")
            if serverless:
                summary.update(
                    CurrentServerlessConfig=serverless, DesiredServerlessConfig=serverless, CurrentInstanceCount=0
                )
            else:
                summary.update(CurrentInstanceCount=variant.instances, DesiredInstanceCount=variant.instances)
            found.append(summary)
        return found
