"""Functions, layers, permissions and invoke configurations that exist. Thread-safe, in memory; archives are on disk."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from local_region.functions import permissions
from local_region.functions.fitting import Fit, fit
from local_region.functions.model import Function, Layer, check_spec, function_arn, not_found, parse_name
from local_region.functions.packages import MAX_UNZIPPED, Package, PackageStore, invalid
from local_region.ports import AwsError, FunctionSpec, Json, Region

_log = logging.getLogger(__name__)


class Registry:
    def __init__(self, region: Region) -> None:
        self._region = region
        self._root = Path(region.config.state_dir) / "functions"
        self._packages = PackageStore(self._root / "packages")
        self._fits: dict[Path, Fit] = {}
        self._lock = threading.RLock()
        self._functions: dict[str, Function] = {}
        self._layers: dict[str, dict[int, Layer]] = {}
        self._layer_counts: dict[str, int] = {}
        self._policies: dict[str, dict[str, Json]] = {}
        self._invoke_configs: dict[str, Json] = {}

    # Functions

    def find(self, name_or_arn: str, qualifier: str | None = None) -> Function:
        name = parse_name(name_or_arn, self._region.config, qualifier)
        with self._lock:
            function = self._functions.get(name)
        if function is None:
            raise not_found(function_arn(self._region.config, name))
        return function

    def get(self, name: str) -> Function | None:
        with self._lock:
            return self._functions.get(name)

    def all(self) -> list[Function]:
        with self._lock:
            return sorted(self._functions.values(), key=lambda function: function.spec.name)

    def put(self, spec: FunctionSpec) -> Function:
        """Create or replace, code included."""
        check_spec(spec)
        with spec.code_zip() as source:
            package = self._packages.add(source)
        return self._store(spec, package)

    def configure(self, function: Function, spec: FunctionSpec) -> Function:
        """The same code with another configuration."""
        check_spec(spec)
        return self._store(spec, function.package)

    def _store(self, spec: FunctionSpec, package: Package) -> Function:
        layers = tuple(self.layer(arn) for arn in spec.layers)
        names = [layer.name for layer in layers]
        if len(set(names)) != len(names):
            raise invalid("Two different versions of the same layer are not allowed to be referenced in a function.")
        total = package.unzipped + sum(layer.package.unzipped for layer in layers)
        if total > MAX_UNZIPPED:
            raise invalid(
                f"Function code combined with layers exceeds the maximum allowed size of {MAX_UNZIPPED} bytes. "
                f"The actual size is {total} bytes."
            )
        function = Function(
            spec=spec,
            arn=function_arn(self._region.config, spec.name),
            package=package,
            fit=self._fit(package.folder, package.digest),
            layers=layers,
            modified=self._region.clock.now(),
        )
        for where, part in [("its code", function.fit), *((la.arn, la.fit) for la in layers if la.fit)]:
            if part is not None and part.left_out:
                _log.info(
                    "%s: %s of %s do not fit this interpreter; the region's environment supplies them%s",
                    spec.name,
                    ", ".join(part.left_out),
                    where,
                    f" except {', '.join(part.missing)}, which it lacks" if part.missing else "",
                )
        with self._lock:
            self._functions[spec.name] = function
        return function

    def _fit(self, folder: Path, name: str) -> Fit:
        with self._lock:
            known = self._fits.get(folder)
        if known is None:
            known = fit(folder, self._root / "views", name)
            with self._lock:
                self._fits[folder] = known
        return known

    def delete(self, name_or_arn: str) -> Function:
        function = self.find(name_or_arn)
        with self._lock:
            self._functions.pop(function.spec.name, None)
            self._policies.pop(function.spec.name, None)
            self._invoke_configs.pop(function.spec.name, None)
        return function

    def tag(self, function: Function, tags: dict[str, str]) -> None:
        changed = dataclasses.replace(function, spec=dataclasses.replace(function.spec, tags=tags))
        with self._lock:
            self._functions[function.spec.name] = changed

    # Layers

    def publish_layer(self, name: str, content: Callable[[], IO[bytes]], properties: Json) -> Layer:
        with content() as source:
            package = self._packages.add(source)
        root = package.folder / "python"
        versioned = sorted(root.glob("lib/python3.*/site-packages"))
        root = versioned[0] if versioned else root
        fitted = self._fit(root, f"{package.digest}-layer") if root.is_dir() else None
        config = self._region.config
        with self._lock:
            version = self._layer_counts[name] = self._layer_counts.get(name, 0) + 1
            arn = f"arn:{config.partition}:lambda:{config.region_name}:{config.account_id}:layer:{name}:{version}"
            layer = Layer(arn, name, version, package, fitted, properties, self._region.clock.now())
            self._layers.setdefault(name, {})[version] = layer
        return layer

    def layer(self, arn: str) -> Layer:
        parts = arn.split(":")
        name, version = (parts[6], parts[7]) if len(parts) == 8 and parts[5] == "layer" else ("", "")
        with self._lock:
            found = self._layers.get(name, {}).get(int(version)) if version.isdigit() else None
        if found is None or found.arn != arn:
            raise AwsError(
                "ResourceNotFoundException", f"The layer version {arn} does not exist.", 404, {"Type": "User"}
            )
        return found

    def layer_by_version(self, name_or_arn: str, version: int) -> Layer:
        config = self._region.config
        name = name_or_arn.rsplit(":layer:", 1)[-1]
        return self.layer(
            f"arn:{config.partition}:lambda:{config.region_name}:{config.account_id}:layer:{name}:{version}"
        )

    def layers(self, name_or_arn: str | None = None) -> list[Layer]:
        """All versions of one layer, newest first; without a name, the newest version of each."""
        with self._lock:
            if name_or_arn is not None:
                versions = self._layers.get(name_or_arn.rsplit(":layer:", 1)[-1], {})
                return [versions[number] for number in sorted(versions, reverse=True)]
            return [versions[max(versions)] for _, versions in sorted(self._layers.items()) if versions]

    def delete_layer(self, arn: str) -> None:
        """Functions that use it go on using it, as on Lambda."""
        layer = self.layer(arn)
        with self._lock:
            self._layers[layer.name].pop(layer.version, None)

    # Resource policies

    def add_permission(self, name_or_arn: str, statement_id: str, properties: Json, replace: bool = True) -> Json:
        function = self.find(name_or_arn)
        entry = permissions.statement(statement_id, function.arn, properties)
        with self._lock:
            policy = self._policies.setdefault(function.spec.name, {})
            if statement_id in policy and not replace:
                raise AwsError(
                    "ResourceConflictException",
                    f"The statement id ({statement_id}) provided already exists. Please provide a new statement id, "
                    "or remove the existing statement.",
                    409,
                    {"Type": "User"},
                )
            policy[statement_id] = entry
        return entry

    def remove_permission(self, name_or_arn: str, statement_id: str) -> None:
        function = self.find(name_or_arn)
        with self._lock:
            if self._policies.get(function.spec.name, {}).pop(statement_id, None) is None:
                raise AwsError(
                    "ResourceNotFoundException", f"Statement {statement_id} is not found in resource policy.", 404
                )

    def policy(self, name_or_arn: str) -> Json:
        function = self.find(name_or_arn)
        with self._lock:
            statements = list(self._policies.get(function.spec.name, {}).values())
        if not statements:
            raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        return {"Version": "2012-10-17", "Id": "default", "Statement": statements}

    def permits(self, name_or_arn: str, service: str, source_arn: str) -> bool:
        function = self.find(name_or_arn)
        with self._lock:
            statements = list(self._policies.get(function.spec.name, {}).values())
        return permissions.permits(statements, service, source_arn, self._region.config.account_id)

    # Asynchronous invocation

    def put_invoke_config(self, name_or_arn: str, properties: Json) -> Json:
        function = self.find(name_or_arn)
        qualifier = properties.get("Qualifier")
        if qualifier not in (None, "$LATEST"):
            raise invalid(
                f"The local region has no function versions or aliases: Qualifier {qualifier} is not supported."
            )
        for name, low, high in (("MaximumRetryAttempts", 0, 2), ("MaximumEventAgeInSeconds", 60, 21600)):
            value = properties.get(name)
            if value is not None and not low <= int(value) <= high:
                raise invalid(f"{name} must be {low} to {high}, not {value}.")
        with self._lock:
            self._invoke_configs[function.spec.name] = dict(properties)
        return dict(properties)

    def invoke_config(self, name: str) -> Json | None:
        with self._lock:
            return self._invoke_configs.get(name)

    def delete_invoke_config(self, name_or_arn: str) -> None:
        function = self.find(name_or_arn)
        with self._lock:
            if self._invoke_configs.pop(function.spec.name, None) is None:
                raise no_invoke_config(function)


def no_invoke_config(function: Function) -> AwsError:
    return AwsError(
        "ResourceNotFoundException",
        f"The function {function.arn} doesn't have an EventInvokeConfig",
        404,
        {"Type": "User"},
    )
