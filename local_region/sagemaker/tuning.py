"""Hyperparameter tuning jobs: the operations. ``tuning_run`` does the work, ``tuning_search`` says where to look."""

from __future__ import annotations

from typing import Any

from local_region.ports import AwsRequest, Json, Region
from local_region.sagemaker import tuning_checks
from local_region.sagemaker.jobs import Jobs
from local_region.sagemaker.models import arn_of
from local_region.sagemaker.records import Record, invalid, listed, paged, tags_of
from local_region.sagemaker.training import TrainingJobs, check, with_metrics
from local_region.sagemaker.tuning_checks import OBJECTIVE
from local_region.sagemaker.tuning_run import TuningRun, overall_best
from local_region.sagemaker.tuning_search import Earlier

_SUMMARY = (
    "HyperParameterTuningJobArn", "HyperParameterTuningJobStatus", "CreationTime", "HyperParameterTuningEndTime",
    "LastModifiedTime", "TrainingJobStatusCounters", "ObjectiveStatusCounters",
)  # fmt: skip


class TuningJobs(Jobs[TuningRun]):
    """CreateHyperParameterTuningJob and its kin."""

    def __init__(self, region: Region, jobs: TrainingJobs) -> None:
        super().__init__("hyperparameter tuning job", "HyperParameterTuningJobStatus")
        self._region, self._jobs = region, jobs

    def create(self, request: AwsRequest) -> Json:
        params = request.params
        tuning_checks.check(params)
        name, now = params["HyperParameterTuningJobName"], self._region.clock.now()
        stored = {key: value for key, value in params.items() if key != "Tags"}
        stored["TrainingJobDefinition"] = self._definition(params)
        ranges = tuning_checks.ranges_of(params["HyperParameterTuningJobConfig"])
        tuning_checks.check_objective(
            params["HyperParameterTuningJobConfig"], stored["TrainingJobDefinition"]["AlgorithmSpecification"]
        )
        tuning_checks.check_hyperparameters(stored["TrainingJobDefinition"], ranges)
        earlier: list[Earlier] = []
        if params.get("WarmStartConfig"):
            parents = self._parents(params)
            tuning_checks.check_parents(params, [self._as_parent(each) for each in parents], ranges)
            earlier = [trial for parent in parents for trial in self.run_of(parent).earlier()]
        arn = arn_of(self._region, "hyper-parameter-tuning-job", name)
        record = Record(name, arn, stored, now, now, tags=tags_of(params))
        record.state = {
            "HyperParameterTuningJobArn": arn,
            "HyperParameterTuningJobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
            "TrainingJobStatusCounters": {},
            "ObjectiveStatusCounters": {},
        }
        run = TuningRun(self._region, record, self._jobs, earlier)
        self.enter(record, run, lambda: tuning_checks.taken(arn))
        run.start()
        return {"HyperParameterTuningJobArn": arn}

    def _definition(self, params: Json) -> Json:
        """The definition of the trials as SageMaker completes it. ``AwsError`` if such a training job is refused."""
        definition: Json = dict(params["TrainingJobDefinition"])
        check(tuning_checks.training_request("a", definition, {}, {}), self._region)
        algorithm = with_metrics(definition["AlgorithmSpecification"])
        metric = params["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["MetricName"]
        static = {**(definition.get("StaticHyperParameters") or {}), OBJECTIVE: metric}
        return {**definition, "AlgorithmSpecification": algorithm, "StaticHyperParameters": static}

    def _parents(self, params: Json) -> list[Record]:
        named = [
            each["HyperParameterTuningJobName"] for each in params["WarmStartConfig"]["ParentHyperParameterTuningJobs"]
        ]
        if len(set(named)) != len(named):
            raise invalid("The parent tuning jobs of WarmStartConfig must be different.")
        return [self._get(name) for name in named]

    def _as_parent(self, record: Record) -> Json:
        with record.lock:
            return {**record.request, "Status": record.state["HyperParameterTuningJobStatus"]}

    def _get(self, name: str) -> Record:
        return self.table.get(name, lambda: tuning_checks.missing(name))

    def describe(self, request: AwsRequest) -> Json:
        record = self._get(request.params["HyperParameterTuningJobName"])
        found = record.view("DescribeHyperParameterTuningJob")
        warm = record.request.get("WarmStartConfig") or {}
        if warm.get("WarmStartType") == "IdenticalDataAndAlgorithm":
            named = [each["HyperParameterTuningJobName"] for each in warm["ParentHyperParameterTuningJobs"]]
            maximize = found["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["Type"] == "Maximize"
            family = [record, *(known for known in map(self.table.find, named) if known is not None)]
            best = [
                {**each.state["BestTrainingJob"], "TuningJobName": each.name}
                for each in family
                if "BestTrainingJob" in each.state
            ]
            overall = overall_best(maximize, best)
            if overall is not None:
                found["OverallBestTrainingJob"] = overall
        return found

    def list(self, request: AwsRequest) -> Json:
        page, token = listed(
            request.params,
            self.table.all(),
            lambda record: record.state["HyperParameterTuningJobStatus"],
            default_sort="Name",
            default_order="Ascending",
        )
        summaries = []
        for record in page:
            config = record.request["HyperParameterTuningJobConfig"]
            with record.lock:
                summary = {key: record.state[key] for key in _SUMMARY if key in record.state}
            summary |= {"HyperParameterTuningJobName": record.name, "Strategy": config["Strategy"]}
            summaries.append({**summary, "ResourceLimits": config["ResourceLimits"]})
        return {"HyperParameterTuningJobSummaries": summaries, **token}

    def trials(self, request: AwsRequest) -> Json:
        params = request.params
        name = params["HyperParameterTuningJobName"]
        run = self.run_of(self._get(name))
        found = [run.summary(trial) for trial in list(run.trials.values())]
        status = params.get("StatusEquals")
        kept = [each for each in found if status in (None, each["TrainingJobStatus"])]
        sort, descending = params.get("SortBy", "Name"), params.get("SortOrder", "Ascending") == "Descending"
        kept.sort(key=lambda each: str(each["TrainingJobName"]), reverse=descending)
        if sort == "FinalObjectiveMetricValue":
            # a job without a value is not part of that list, as in SageMaker
            kept = [each for each in kept if "FinalHyperParameterTuningJobObjectiveMetric" in each]
        kept.sort(key=lambda each: _sort_key(each, sort), reverse=descending)
        page, token = paged(params, kept)
        return {"TrainingJobSummaries": page, **token}

    def stop_job(self, request: AwsRequest) -> Json:
        return self.stop_record(self._get(request.params["HyperParameterTuningJobName"]))

    def delete(self, request: AwsRequest) -> Json:
        """Only the entry: training jobs and artifacts stay."""
        record = self._get(request.params["HyperParameterTuningJobName"])
        with record.lock:
            status = record.state["HyperParameterTuningJobStatus"]
        if status in ("InProgress", "Stopping"):
            raise invalid(f"The hyperparameter tuning job is in status {status}: stop it before it can be deleted.")
        self.leave(record)
        return {}


def _sort_key(summary: Json, sort: str) -> Any:
    if sort == "FinalObjectiveMetricValue":
        return summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    return summary[{"CreationTime": "CreationTime", "Status": "TrainingJobStatus"}.get(sort, "TrainingJobName")]
