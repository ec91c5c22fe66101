"""The training queue in SQS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sluicegate.adapters.aws import translated

#: SQS delays a message by 15 minutes at most
LONGEST_DELAY = 900


class SqsTrainingQueue:
    """``ports.TrainingQueue``; ``sqs`` is boto3's client."""

    def __init__(self, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send(self, message: Mapping[str, Any], delay_seconds: int) -> None:
        with translated():
            self._sqs.send_message(
                QueueUrl=self._url,
                MessageBody=json.dumps(message, separators=(",", ":"), sort_keys=True),
                DelaySeconds=max(0, min(LONGEST_DELAY, delay_seconds)),
            )
