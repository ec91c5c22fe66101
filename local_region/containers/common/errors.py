"""The two kinds of failure that SageMaker tells apart in a ``FailureReason``, and an inference server's refusals."""

from __future__ import annotations


class UserError(Exception):
    """The customer can fix it: a hyperparameter, a channel, the data. Reported as ``ClientError``; exit status 2."""


class AlgorithmError(Exception):
    """The algorithm failed in a way that the customer did not cause. Exit status 1."""


class UnknownType(Exception):
    """A request's ``ContentType`` that there is no reader for: 415."""


class NotAcceptable(Exception):
    """An ``Accept`` that there is no encoder for: 406."""
