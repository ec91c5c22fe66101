"""Experiments: what a look at champion and challengers says, and how a bandit shares traffic. Pure, and repeatable."""

from sluicegate.domain.experiment.bandit import weights
from sluicegate.domain.experiment.decide import look
from sluicegate.domain.experiment.design import Bandit, Design
from sluicegate.domain.experiment.looks import Comparison, Decision, LaneLook, Look
from sluicegate.domain.experiment.tally import Bucket, Cohort, Latency, Silence, Tally, counted

__all__ = [
    "Bandit",
    "Bucket",
    "Cohort",
    "Comparison",
    "Decision",
    "Design",
    "LaneLook",
    "Latency",
    "Look",
    "Silence",
    "Tally",
    "counted",
    "look",
    "weights",
]
