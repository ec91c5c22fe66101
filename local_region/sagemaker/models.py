"""Models and endpoint configs: requests kept, checked against what can be served."""

from __future__ import annotations

from local_region.ports import AwsError, AwsRequest, Json, Region
from local_region.sagemaker import programs
from local_region.sagemaker.events import publish
from local_region.sagemaker.packages import Packages
from local_region.sagemaker.records import Record, Table, invalid, listed, refuse, refuse_members, tags_of


def arn_of(region: Region, kind: str, name: str) -> str:
    config = region.config
    return f"arn:{config.partition}:sagemaker:{config.region_name}:{config.account_id}:{kind}/{name}"


class Models:
    """CreateModel and its kin."""

    def __init__(self, region: Region, packages: Packages) -> None:
        self._region, self._packages = region, packages
        self.table = Table()

    def create(self, request: AwsRequest) -> Json:
        params = request.params
        refuse_members(params, ("InferenceExecutionConfig",), "CreateModel")
        container = self._container(params)
        now, name = self._region.clock.now(), params["ModelName"]
        arn = arn_of(self._region, "model", name)
        stored = {key: value for key, value in params.items() if key not in ("Tags", "Containers")}
        stored["PrimaryContainer"] = container
        record = Record(name, arn, stored, now, now, tags=tags_of(params))
        record.state = {
            "ModelArn": arn,
            "CreationTime": now,
            "EnableNetworkIsolation": params.get("EnableNetworkIsolation", False),
        }
        self.table.add(record, lambda: invalid(f'Cannot create already existing model "{arn}".'))
        publish(self._region, "Model", record)
        return {"ModelArn": arn}

    def _container(self, params: Json) -> Json:
        containers = params.get("Containers") or []
        if params.get("PrimaryContainer") and containers:
            raise invalid("Give PrimaryContainer or Containers, not both.")
        if len(containers) > 1:
            raise refuse("inference pipelines (more than one of Containers in CreateModel)")
        container = dict(params.get("PrimaryContainer") or (containers[0] if containers else {}))
        if not container:
            raise invalid("A model takes a PrimaryContainer.")
        refuse_members(
            container,
            ("ImageConfig", "ModelDataSource", "AdditionalModelDataSources", "InferenceSpecificationName",
             "MultiModelConfig"),
            "a container definition",
        )  # fmt: skip
        if container.get("Mode", "SingleModel") != "SingleModel":
            raise refuse(f"Mode {container['Mode']} of a container")
        package = container.get("ModelPackageName")
        if package:
            source = self._packages.container(package)
            container = {**source, **container}
            container["Environment"] = {**(source.get("Environment") or {}), **(container.get("Environment") or {})}
        if not container.get("Image"):
            raise invalid("A container takes an Image or a ModelPackageName.")
        problem = programs.problem_of(self._region, container["Image"])
        if problem is not None:
            raise invalid(problem)
        container.setdefault("Mode", "SingleModel")
        return container

    def get(self, name: str) -> Record:
        return self.table.get(name, lambda: invalid(f'Could not find model "{arn_of(self._region, "model", name)}".'))

    def describe(self, request: AwsRequest) -> Json:
        return self.get(request.params["ModelName"]).view("DescribeModel")

    def list(self, request: AwsRequest) -> Json:
        page, token = listed(request.params, self.table.all())
        models = [{"ModelName": r.name, "ModelArn": r.arn, "CreationTime": r.created} for r in page]
        return {"Models": models, **token}

    def delete(self, request: AwsRequest) -> Json:
        record = self.get(request.params["ModelName"])
        self.table.remove(record)
        publish(self._region, "Model", record)
        return {}


_CONFIG_REFUSED = ("AsyncInferenceConfig", "ExplainerConfig", "MetricsConfig")
_VARIANT_REFUSED = (
    "InstancePools", "AcceleratorType", "CoreDumpConfig", "ManagedInstanceScaling", "CapacityReservationConfig",
    "AcceleratorPartitionLayouts",
)  # fmt: skip


class EndpointConfigs:
    """CreateEndpointConfig and its kin."""

    def __init__(self, region: Region, models: Models) -> None:
        self._region, self._models = region, models
        self.table = Table()

    def create(self, request: AwsRequest) -> Json:
        params = request.params
        refuse_members(params, _CONFIG_REFUSED, "CreateEndpointConfig")
        variants = [self._variant(dict(variant)) for variant in params["ProductionVariants"]]
        shadows = [self._variant(dict(variant)) for variant in params.get("ShadowProductionVariants") or []]
        names = [variant["VariantName"] for variant in (*variants, *shadows)]
        if len(set(names)) != len(names):
            raise invalid("VariantName values in ProductionVariants and ShadowProductionVariants must be unique.")
        serverless = any("ServerlessConfig" in variant for variant in (*variants, *shadows))
        if len(variants) > 1 and serverless:
            raise invalid("A serverless endpoint has one production variant.")
        if shadows and (len(shadows) > 1 or len(variants) > 1):
            raise invalid("With ShadowProductionVariants there is one production variant and one shadow variant.")
        if shadows and serverless:
            raise invalid("Shadow variants are not supported for serverless inference endpoints.")
        _check_capture(params.get("DataCaptureConfig"), serverless)
        if sum(variant["InitialVariantWeight"] for variant in variants) <= 0:
            raise invalid("At least one production variant must have a weight above 0.")
        now, name = self._region.clock.now(), params["EndpointConfigName"]
        arn = arn_of(self._region, "endpoint-config", name)
        stored = {key: value for key, value in params.items() if key != "Tags"}
        stored["ProductionVariants"] = variants
        if shadows:
            stored["ShadowProductionVariants"] = shadows
        record = Record(name, arn, stored, now, now, tags=tags_of(params))
        record.state = {"EndpointConfigArn": arn, "CreationTime": now}
        self.table.add(record, lambda: _taken(arn))
        publish(self._region, "Endpoint Config", record)
        return {"EndpointConfigArn": arn}

    def _variant(self, variant: Json) -> Json:
        name = variant["VariantName"]
        refuse_members(variant, _VARIANT_REFUSED, f"production variant {name}")
        if not variant.get("ModelName"):
            raise refuse(f"inference components (production variant {name} without ModelName)")
        self._models.get(variant["ModelName"])
        if "ServerlessConfig" in variant:
            if variant.get("InstanceType") or variant.get("InitialInstanceCount"):
                raise invalid(f"Variant {name}: ServerlessConfig excludes InstanceType and InitialInstanceCount.")
        elif not variant.get("InstanceType") or not variant.get("InitialInstanceCount"):
            raise invalid(f"Variant {name} takes InstanceType and InitialInstanceCount, or ServerlessConfig.")
        variant.setdefault("InitialVariantWeight", 1.0)
        return variant

    def get(self, name: str) -> Record:
        arn = arn_of(self._region, "endpoint-config", name)
        return self.table.get(name, lambda: invalid(f'Could not find endpoint configuration "{arn}".'))

    def describe(self, request: AwsRequest) -> Json:
        return self.get(request.params["EndpointConfigName"]).view("DescribeEndpointConfig")

    def list(self, request: AwsRequest) -> Json:
        page, token = listed(request.params, self.table.all())
        configs = [{"EndpointConfigName": r.name, "EndpointConfigArn": r.arn, "CreationTime": r.created} for r in page]
        return {"EndpointConfigs": configs, **token}

    def delete(self, request: AwsRequest) -> Json:
        record = self.get(request.params["EndpointConfigName"])
        self.table.remove(record)
        publish(self._region, "Endpoint Config", record)
        return {}


def _check_capture(capture: Json | None, serverless: bool) -> None:
    if capture is None:
        return
    if serverless:
        raise invalid("Data capture is not supported for serverless inference endpoints.")
    if not capture["DestinationS3Uri"].startswith("s3://"):
        raise refuse(f"DestinationS3Uri {capture['DestinationS3Uri']} in DataCaptureConfig (only s3://…)")


def _taken(arn: str) -> AwsError:
    return invalid(f'Cannot create already existing endpoint configuration "{arn}".')
