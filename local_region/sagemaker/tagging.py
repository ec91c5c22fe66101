"""AddTags, ListTags, DeleteTags for everything that has an ARN."""

from __future__ import annotations

from collections.abc import Sequence

from local_region.ports import AwsError, AwsRequest, Json
from local_region.sagemaker.records import Record, Table, paged, tags_of

_PAGE = 50


class Tagging:
    """Tags live in the records."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables

    def _find(self, arn: str) -> Record:
        for table in self._tables:
            record = table.by_arn(arn)
            if record is not None:
                return record
        raise AwsError("ResourceNotFound", f"There is no resource {arn}.")

    def add(self, request: AwsRequest) -> Json:
        record = self._find(request.params["ResourceArn"])
        given = tags_of(request.params)
        with record.lock:
            if len({**record.tags, **given}) > 50:
                raise AwsError("ResourceLimitExceeded", "A resource has at most 50 tags.")
            record.tags.update(given)
            return {"Tags": _listed(record)}

    def list(self, request: AwsRequest) -> Json:
        record = self._find(request.params["ResourceArn"])
        with record.lock:
            page, token = paged(request.params, _listed(record), _PAGE)
        return {"Tags": page, **token}

    def delete(self, request: AwsRequest) -> Json:
        record = self._find(request.params["ResourceArn"])
        with record.lock:
            for key in request.params["TagKeys"]:
                record.tags.pop(key, None)
        return {}


def _listed(record: Record) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in record.tags.items()]
