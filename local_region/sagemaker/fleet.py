"""The serving processes of one endpoint config: started together, chosen by weight, drained before they end."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from local_region.ports import Json, Region
from local_region.sagemaker.capturing import CaptureSettings, settings_of
from local_region.sagemaker.records import Record
from local_region.sagemaker.serving import Server, new_stream
from local_region.sagemaker.variants import DRAIN_SECONDS, Variant


class Fleet:
    """The variants of one endpoint config; knows how many requests are in flight. ``shadow`` sees copies of requests,
    ``capture`` says what of them is kept."""

    def __init__(self, region: Region, endpoint: str, config: Record, models: dict[str, Record]) -> None:
        self._region, self.endpoint, self.config = region, endpoint, config
        self._condition = threading.Condition()
        self._in_flight = 0
        self._closed = False
        self.variants = {
            variant["VariantName"]: self._variant(variant, models[variant["ModelName"]])
            for variant in config.request["ProductionVariants"]
        }
        shadows = config.request.get("ShadowProductionVariants") or []
        self.shadow = self._variant(shadows[0], models[shadows[0]["ModelName"]]) if shadows else None
        self.capture: CaptureSettings | None = settings_of(config.request.get("DataCaptureConfig"))

    def _variant(self, variant: Json, model: Record) -> Variant:
        container = model.request["PrimaryContainer"]

        def make() -> Server:
            return Server(
                self._region,
                container["Image"],
                container.get("ModelDataUrl"),
                container.get("Environment") or {},
                f"/aws/sagemaker/Endpoints/{self.endpoint}",
                new_stream(self._region, variant["VariantName"]),
                model.request.get("ExecutionRoleArn"),
            )

        return Variant(variant, container["Image"], make)

    def all_variants(self) -> list[Variant]:
        """The shadow included."""
        return [*self.variants.values(), *([self.shadow] if self.shadow is not None else [])]

    def named(self, name: str) -> Variant | None:
        """A variant by its name, the shadow included."""
        return next((variant for variant in self.all_variants() if variant.name == name), None)

    def start(self) -> None:
        """All or nothing; ``StartFailure`` names the variant."""
        variants = self.all_variants()
        with ThreadPoolExecutor(len(variants)) as pool:
            results = [pool.submit(variant.start) for variant in variants]
        failures = [error for result in results if (error := result.exception()) is not None]
        if failures:
            self.stop()
            raise failures[0]

    def take_over(self, other: Fleet, properties: Collection[str]) -> None:
        """What the same variants of ``other`` have, by VariantPropertyType."""
        for name in self.variants.keys() & other.variants.keys():
            mine, theirs = self.variants[name], other.variants[name]
            if "DesiredWeight" in properties:
                mine.weight = mine.desired_weight = theirs.weight
            if "DesiredInstanceCount" in properties and "ServerlessConfig" not in mine.config:
                mine.instances = mine.desired_instances = theirs.instances
        if "DataCaptureConfig" in properties:
            self.capture = other.capture

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

    def mirrors(self) -> bool:
        """Whether the shadow is to see this request: as often as its weight is of the production variant's."""
        if self.shadow is None:
            return False
        weight = next(iter(self.variants.values())).weight
        return weight > 0 and random.random() < self.shadow.weight / weight  # noqa: S311 - a sample, no secret

    def drain(self) -> None:
        """Let requests in flight end, then end the processes."""
        with self._condition:
            self._closed = True
            self._condition.wait_for(lambda: not self._in_flight, DRAIN_SECONDS)
        self.stop()

    def stop(self) -> None:
        self._closed = True
        for variant in self.all_variants():
            variant.stop()

    def summaries(self) -> list[Json]:
        """As DescribeEndpoint's ProductionVariants."""
        return [variant.summary() for variant in self.variants.values()]

    def described(self) -> Json:
        """What DescribeEndpoint says of the fleet that serves."""
        found: Json = {"ProductionVariants": self.summaries()}
        if self.shadow is not None:
            found["ShadowProductionVariants"] = [self.shadow.summary()]
        if self.capture is not None:
            found["DataCaptureConfig"] = self.capture.summary()
        return found
