"""The two kinds of failure that SageMaker tells apart in a job's ``FailureReason``."""

from __future__ import annotations


class UserError(Exception):
    """The customer can fix it: a hyperparameter, a channel, the data. Reported as ``ClientError``; exit status 2."""


class AlgorithmError(Exception):
    """The algorithm failed in a way that the customer did not cause. Exit status 1."""
