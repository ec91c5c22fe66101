"""What all kinds of jobs share: records with the runs that do their work, stopping, the end of the region."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from local_region.ports import AwsError, AwsRequest, Json
from local_region.sagemaker.records import Record, Table, invalid, listed


class Run(Protocol):
    """The work of one job, on a thread of its own."""

    def start(self) -> None: ...
    def stop(self) -> None: ...  # as the job's Stop operation does
    def abandon(self) -> None: ...  # end without a word: the region goes
    @property
    def alive(self) -> bool: ...  # whether it still has something to do or to say


AnyRun = TypeVar("AnyRun", bound=Run)


class Jobs(Generic[AnyRun]):
    """The jobs of one kind. ``called`` is what messages call one, ``status`` the member that holds its status."""

    def __init__(self, called: str, status: str) -> None:
        self._called, self._status = called, status
        self.table = Table()
        # By record, not by name: entered before the record can be found, and never another's of the same name
        self._runs: dict[Record, AnyRun] = {}

    def enter(self, record: Record, run: AnyRun, taken: Callable[[], AwsError]) -> None:
        """Whoever finds the record finds its run as well."""
        self._runs[record] = run
        try:
            self.table.add(record, taken)
        except AwsError:
            del self._runs[record]
            raise

    def leave(self, record: Record) -> None:
        self.table.remove(record)
        self._runs.pop(record, None)

    def run_of(self, record: Record) -> AnyRun:
        return self._runs[record]

    def stop_record(self, record: Record) -> Json:
        """The Stop operation. ``ValidationException`` for a job that has ended."""
        with record.lock:
            status = record.state[self._status]
        if status not in ("InProgress", "Stopping"):
            raise invalid(
                f"The request was rejected because the {self._called} is in status {status}. "
                "Only a job that is InProgress can be stopped."
            )
        self.run_of(record).stop()
        return {}

    def delete_record(self, record: Record) -> Json:
        """Forget a job that has ended; its name is free again, its artifacts stay. ``ResourceInUse`` before that."""
        with record.lock:
            status = record.state[self._status]
        if status in ("InProgress", "Stopping"):
            text = f"The {self._called} {record.name} is in status {status}: only one that has ended can be deleted."
            raise AwsError("ResourceInUse", text)
        self.leave(record)
        return {}

    def summaries(self, request: AwsRequest, name: str, keys: Sequence[str]) -> tuple[list[Json], Json]:
        """A List operation's page: of each record ``name`` and those of ``keys`` that it has; and the next token."""
        page, token = listed(request.params, self.table.all(), lambda record: str(record.state[self._status]))
        found = []
        for record in page:
            with record.lock:
                summary = {key: record.state[key] for key in keys if key in record.state}
            found.append({name: record.name, "LastModifiedTime": record.modified, **summary})
        return found, token

    def busy(self) -> Iterable[str]:
        """What is not over, in words (``timeline.Timekeeper``)."""
        return [f"{self._called} {record.name}" for record, run in list(self._runs.items()) if run.alive]

    def stop(self) -> None:
        """End everything: the region stops."""
        for run in list(self._runs.values()):
            run.abandon()


def name_taken(arn: str) -> AwsError:
    """Of a transform or processing job."""
    return AwsError(
        "ResourceInUse",
        f"Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})",
    )
