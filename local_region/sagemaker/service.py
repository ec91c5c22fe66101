"""``sagemaker``: every operation that the region has, by name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from weakref import WeakKeyDictionary

from local_region.ports import AwsRequest, Json, Region
from local_region.sagemaker.endpoints import Endpoints
from local_region.sagemaker.models import EndpointConfigs, Models
from local_region.sagemaker.notebooks import LifecycleConfigs, Notebooks
from local_region.sagemaker.packages import Packages
from local_region.sagemaker.processing import ProcessingJobs
from local_region.sagemaker.searching import Search
from local_region.sagemaker.tagging import Tagging
from local_region.sagemaker.training import TrainingJobs
from local_region.sagemaker.transform import TransformJobs
from local_region.sagemaker.tuning import TuningJobs

_endpoints: WeakKeyDictionary[Region, Endpoints] = WeakKeyDictionary()


def endpoints_of(region: Region) -> Endpoints | None:
    """The endpoints that ``region``'s SageMaker runs, for its runtime."""
    return _endpoints.get(region)


class SageMakerService:
    """``ports.AwsService``. State is in memory; processes end with ``stop`` or with the region."""

    service = "sagemaker"

    def __init__(self, region: Region) -> None:
        self._region = region
        self.packages = Packages(region)
        self.models = Models(region, self.packages)
        self.configs = EndpointConfigs(region, self.models)
        self.endpoints = Endpoints(region, self.models, self.configs)
        self.training = TrainingJobs(region)
        self.tuning = TuningJobs(region, self.training)
        self.transforms = TransformJobs(region, self.models)
        self.processing = ProcessingJobs(region)
        self.lifecycle_configs = LifecycleConfigs(region)
        self.notebooks = Notebooks(region, self.lifecycle_configs)
        search = Search(
            {
                "TrainingJob": (self.training.table, lambda record: record.view("DescribeTrainingJob")),
                "HyperParameterTuningJob": (
                    self.tuning.table,
                    lambda record: record.view("DescribeHyperParameterTuningJob"),
                ),
                "Endpoint": (self.endpoints.table, self.endpoints.view),
                "ModelPackage": (self.packages.packages, lambda record: record.view("DescribeModelPackage")),
                "ModelPackageGroup": (self.packages.groups, lambda record: record.view("DescribeModelPackageGroup")),
            }
        )
        tagging = Tagging(
            [
                self.training.table,
                self.tuning.table,
                self.transforms.table,
                self.processing.table,
                self.models.table,
                self.configs.table,
                self.endpoints.table,
                self.packages.groups,
                self.packages.packages,
                self.notebooks.table,
                self.lifecycle_configs.table,
            ]
        )
        _endpoints[region] = self.endpoints
        self._operations: dict[str, Callable[[AwsRequest], Json]] = {
            "CreateTrainingJob": self.training.create,
            "DescribeTrainingJob": self.training.describe,
            "ListTrainingJobs": self.training.list,
            "StopTrainingJob": self.training.stop_job,
            "DeleteTrainingJob": self.training.delete,
            "CreateHyperParameterTuningJob": self.tuning.create,
            "DescribeHyperParameterTuningJob": self.tuning.describe,
            "ListHyperParameterTuningJobs": self.tuning.list,
            "ListTrainingJobsForHyperParameterTuningJob": self.tuning.trials,
            "StopHyperParameterTuningJob": self.tuning.stop_job,
            "DeleteHyperParameterTuningJob": self.tuning.delete,
            "CreateProcessingJob": self.processing.create,
            "DescribeProcessingJob": self.processing.describe,
            "ListProcessingJobs": self.processing.list,
            "StopProcessingJob": self.processing.stop_job,
            "DeleteProcessingJob": self.processing.delete,
            "CreateTransformJob": self.transforms.create,
            "DescribeTransformJob": self.transforms.describe,
            "ListTransformJobs": self.transforms.list,
            "StopTransformJob": self.transforms.stop_job,
            "CreateModel": self.models.create,
            "DescribeModel": self.models.describe,
            "ListModels": self.models.list,
            "DeleteModel": self.models.delete,
            "CreateEndpointConfig": self.configs.create,
            "DescribeEndpointConfig": self.configs.describe,
            "ListEndpointConfigs": self.configs.list,
            "DeleteEndpointConfig": self.configs.delete,
            "CreateEndpoint": self.endpoints.create,
            "UpdateEndpoint": self.endpoints.update,
            "UpdateEndpointWeightsAndCapacities": self.endpoints.update_weights,
            "DeleteEndpoint": self.endpoints.delete,
            "DescribeEndpoint": self.endpoints.describe,
            "ListEndpoints": self.endpoints.list,
            "CreateModelPackageGroup": self.packages.create_group,
            "DescribeModelPackageGroup": self.packages.describe_group,
            "ListModelPackageGroups": self.packages.list_groups,
            "DeleteModelPackageGroup": self.packages.delete_group,
            "CreateModelPackage": self.packages.create,
            "DescribeModelPackage": self.packages.describe,
            "UpdateModelPackage": self.packages.update,
            "ListModelPackages": self.packages.list,
            "DeleteModelPackage": self.packages.delete,
            "BatchDescribeModelPackage": self.packages.describe_several,
            "CreateNotebookInstance": self.notebooks.create,
            "DescribeNotebookInstance": self.notebooks.describe,
            "ListNotebookInstances": self.notebooks.list,
            "StartNotebookInstance": self.notebooks.start_instance,
            "StopNotebookInstance": self.notebooks.stop_instance,
            "UpdateNotebookInstance": self.notebooks.update,
            "DeleteNotebookInstance": self.notebooks.delete,
            "CreatePresignedNotebookInstanceUrl": self.notebooks.presigned_url,
            "CreateNotebookInstanceLifecycleConfig": self.lifecycle_configs.create,
            "DescribeNotebookInstanceLifecycleConfig": self.lifecycle_configs.describe,
            "UpdateNotebookInstanceLifecycleConfig": self.lifecycle_configs.update,
            "DeleteNotebookInstanceLifecycleConfig": self.lifecycle_configs.delete,
            "ListNotebookInstanceLifecycleConfigs": self.lifecycle_configs.list,
            "Search": search.search,
            "AddTags": tagging.add,
            "ListTags": tagging.list,
            "DeleteTags": tagging.delete,
        }

    def operations(self) -> Mapping[str, Callable[[AwsRequest], Json]]:
        return self._operations

    # timeline.Timekeeper

    def next_due(self, until: datetime) -> datetime | None:
        return self.endpoints.next_due(until)

    def catch_up(self) -> None:
        self.endpoints.catch_up()

    def busy(self) -> Iterable[str]:
        parts = (self.training, self.tuning, self.transforms, self.processing, self.notebooks, self.endpoints)
        return [what for part in parts for what in part.busy()]

    def start(self) -> None:
        """Remove what a region that was killed left behind, then watch over the endpoints."""
        shutil.rmtree(self._region.config.state_dir / "sagemaker", ignore_errors=True)
        self.endpoints.start()

    def stop(self) -> None:
        self.tuning.stop()
        self.training.stop()
        self.transforms.stop()
        self.processing.stop()
        self.notebooks.stop()
        self.endpoints.stop()
