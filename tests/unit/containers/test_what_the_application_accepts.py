"""The application checks hyperparameters before it asks for training; what it lets through, the container takes.

The two tables are apart on purpose: on AWS the container is Amazon's, and the region's serves any client.
"""

from __future__ import annotations

from local_region.containers.xgboost import hyperparameters as container
from local_region.containers.xgboost.metrics import MAXIMIZED, MINIMIZED
from sluicegate.domain import hyperparameters as application


def test_names_objectives_and_metrics_agree() -> None:
    assert set(application.RULES) <= set(container.PARAMETERS)
    assert {name for group in application.OBJECTIVES.values() for name in group} <= set(container.OBJECTIVES)
    assert set(application.EVAL_METRICS) <= MAXIMIZED | MINIMIZED
    assert application.ALIASES == container.ALIASES
