"""What prepares data sets and starts training."""

from __future__ import annotations

from functools import cache

from sluicegate.adapters.aws import client
from sluicegate.adapters.processing import SageMakerProcessing
from sluicegate.adapters.program import PackageProgram
from sluicegate.adapters.workspace import LambdaWorkspace
from sluicegate.bootstrap.base import Misconfigured, jobs, ledger, prefix, region, setting, storage
from sluicegate.bootstrap.costs import costs
from sluicegate.services.finish_preparation import FinishPreparation
from sluicegate.services.preparation import Preparation
from sluicegate.services.processing import Processing
from sluicegate.services.train import Start
from sluicegate.services.training import Training


@cache
def start() -> Start:
    limit = setting("PREPARATION_LIMIT_MB")
    if not limit.isdigit():
        raise Misconfigured(f"PREPARATION_LIMIT_MB is {limit!r}, no number of megabytes")
    found = processing(setting("PREPARATION_ROLE_ARN"))
    preparation = Preparation(ledger(), storage(), LambdaWorkspace(), found, int(limit) << 20)
    return Start(ledger(), storage(), preparation, found, training())


def processing(role_arn: str) -> Processing:
    started = SageMakerProcessing(client("sagemaker"), role_arn)
    workspace, program = LambdaWorkspace(), PackageProgram()
    return Processing(ledger(), storage(), started, workspace, program, costs(), region(), prefix())


def training() -> Training:
    return Training(ledger(), storage(), jobs(), costs(), region(), prefix())


@cache
def finish_preparation() -> FinishPreparation:
    return FinishPreparation(ledger(), processing(""), training())
