"""Notebook instances and their lifecycle configurations: a record with SageMaker's states and events.

There is no Jupyter behind an instance here, so it has no ``Url`` and CreatePresignedNotebookInstanceUrl is refused.
"""

from __future__ import annotations

import base64
import binascii
import logging
import threading
from collections.abc import Callable, Iterable

from local_region.ports import AwsError, AwsRequest, Json, Region
from local_region.sagemaker.events import publish
from local_region.sagemaker.models import arn_of
from local_region.sagemaker.records import Record, Table, invalid, listed, refuse, refuse_members, tags_of

log = logging.getLogger(__name__)

#: how long Pending, Stopping, Updating and Deleting are to be seen
_MOMENT = 0.1
_REFUSED = ("AcceleratorTypes", "InstanceMetadataServiceConfiguration")
_UPDATED = (
    "InstanceType",
    "RoleArn",
    "VolumeSizeInGB",
    "DefaultCodeRepository",
    "AdditionalCodeRepositories",
    "RootAccess",
    "IpAddressType",
    "PlatformIdentifier",
)
_DISASSOCIATED = {
    "DisassociateLifecycleConfig": "NotebookInstanceLifecycleConfigName",
    "DisassociateDefaultCodeRepository": "DefaultCodeRepository",
    "DisassociateAdditionalCodeRepositories": "AdditionalCodeRepositories",
}
_LARGEST_SCRIPT = 16_384  # characters of base64


class LifecycleConfigs:
    """CreateNotebookInstanceLifecycleConfig and its kin. The scripts are kept and never run."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self.table = Table()

    def _arn(self, name: str) -> str:
        return arn_of(self._region, "notebook-instance-lifecycle-config", name)

    def create(self, request: AwsRequest) -> Json:
        params = request.params
        _check_scripts(params)
        name, now = params["NotebookInstanceLifecycleConfigName"], self._region.clock.now()
        arn = self._arn(name)
        stored = {key: value for key, value in params.items() if key != "Tags"}
        record = Record(name, arn, stored, now, now, tags=tags_of(params))
        record.state = {"NotebookInstanceLifecycleConfigArn": arn, "CreationTime": now, "LastModifiedTime": now}
        self.table.add(record, lambda: self._problem("create", name, "already exists"))
        return {"NotebookInstanceLifecycleConfigArn": arn}

    def _problem(self, what: str, name: str, why: str) -> AwsError:
        return invalid(
            f"Unable to {what} Notebook Instance Lifecycle Config '{self._arn(name)}'. "
            f"(Details: Notebook Instance Lifecycle Config {why}.)"
        )

    def get(self, name: str, what: str) -> Record:
        found = self.table.find(name)
        if found is None:
            raise self._problem(what, name, "does not exist")
        return found

    def describe(self, request: AwsRequest) -> Json:
        name = request.params["NotebookInstanceLifecycleConfigName"]
        return self.get(name, "describe").view("DescribeNotebookInstanceLifecycleConfig")

    def update(self, request: AwsRequest) -> Json:
        params = request.params
        _check_scripts(params)
        record = self.get(params["NotebookInstanceLifecycleConfigName"], "update")
        with record.lock:
            record.request.update({key: params[key] for key in ("OnCreate", "OnStart") if key in params})
            record.state["LastModifiedTime"] = record.modified = self._region.clock.now()
        return {}

    def delete(self, request: AwsRequest) -> Json:
        self.table.remove(self.get(request.params["NotebookInstanceLifecycleConfigName"], "delete"))
        return {}

    def list(self, request: AwsRequest) -> Json:
        page, token = listed(request.params, self.table.all())
        keys = ("NotebookInstanceLifecycleConfigArn", "CreationTime", "LastModifiedTime")
        found = [{"NotebookInstanceLifecycleConfigName": r.name, **{key: r.state[key] for key in keys}} for r in page]
        return {"NotebookInstanceLifecycleConfigs": found, **token}


def _check_scripts(params: Json) -> None:
    for when in ("OnCreate", "OnStart"):
        for hook in params.get(when) or []:
            content = hook.get("Content", "")
            if len(content) > _LARGEST_SCRIPT:
                raise invalid(f"{when}: a script has at most {_LARGEST_SCRIPT:,} characters, with base64.")
            try:
                base64.b64decode(content, validate=True)
            except (binascii.Error, ValueError):
                raise invalid(f"{when}: Content must be base64.") from None


class Notebooks:
    """CreateNotebookInstance and its kin."""

    def __init__(self, region: Region, configs: LifecycleConfigs) -> None:
        self._region, self._configs = region, configs
        self.table = Table()
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def create(self, request: AwsRequest) -> Json:
        params = request.params
        refuse_members(params, _REFUSED, "CreateNotebookInstance")
        config = params.get("LifecycleConfigName")
        if config:
            self._configs.get(config, "describe")
        name, now = params["NotebookInstanceName"], self._region.clock.now()
        arn = arn_of(self._region, "notebook-instance", name)
        dropped = ("Tags", "SecurityGroupIds", "LifecycleConfigName")
        stored = {key: value for key, value in params.items() if key not in dropped}
        stored.setdefault("DirectInternetAccess", "Enabled")
        stored.setdefault("VolumeSizeInGB", 5)
        stored.setdefault("RootAccess", "Enabled")
        record = Record(name, arn, stored, now, now, tags=tags_of(params))
        record.state = {
            "NotebookInstanceArn": arn,
            "NotebookInstanceStatus": "Pending",
            "CreationTime": now,
            "LastModifiedTime": now,
            "SecurityGroups": params.get("SecurityGroupIds"),
            "NotebookInstanceLifecycleConfigName": config,
        }
        self.table.add(record, lambda: invalid(f"Cannot create a duplicate notebook instance ({arn})"))
        publish(self._region, "Notebook Instance", record)
        self._then(record, "InService")
        return {"NotebookInstanceArn": arn}

    def _get(self, name: str) -> Record:
        return self.table.get(name, lambda: invalid("RecordNotFound"))

    def describe(self, request: AwsRequest) -> Json:
        return self._get(request.params["NotebookInstanceName"]).view("DescribeNotebookInstance")

    def start_instance(self, request: AwsRequest) -> Json:
        record = self._move(request.params["NotebookInstanceName"], "Pending", ("Stopped", "Failed"))
        self._then(record, "InService")
        return {}

    def stop_instance(self, request: AwsRequest) -> Json:
        record = self._move(request.params["NotebookInstanceName"], "Stopping", ("InService",))
        self._then(record, "Stopped")
        return {}

    def delete(self, request: AwsRequest) -> Json:
        record = self._move(request.params["NotebookInstanceName"], "Deleting", ("Stopped", "Failed"))
        self._then(record, None)
        return {}

    def update(self, request: AwsRequest) -> Json:
        params = request.params
        refuse_members(params, _REFUSED, "UpdateNotebookInstance")
        if params.get("LifecycleConfigName"):
            self._configs.get(params["LifecycleConfigName"], "describe")
        record = self._move(params["NotebookInstanceName"], "Updating", ("Stopped", "Failed"))
        with record.lock:
            for flag, name in _DISASSOCIATED.items():
                if params.get(flag):
                    record.request.pop(name, None)
                    record.state.pop(name, None)
            record.request.update({name: params[name] for name in _UPDATED if name in params})
            if params.get("LifecycleConfigName"):
                record.state["NotebookInstanceLifecycleConfigName"] = params["LifecycleConfigName"]
        self._then(record, "Stopped")
        return {}

    def list(self, request: AwsRequest) -> Json:
        params = request.params
        records = [record for record in self.table.all() if _wanted(params, record)]
        page, token = listed(params, records, _status, "Name", "Ascending")
        keys = ("NotebookInstanceArn", "NotebookInstanceStatus", "CreationTime", "LastModifiedTime")
        taken = ("InstanceType", "DefaultCodeRepository", "AdditionalCodeRepositories")
        found = []
        for record in page:
            with record.lock:
                line = {key: record.state[key] for key in keys}
                line |= {key: record.request[key] for key in taken if key in record.request}
                config = record.state.get("NotebookInstanceLifecycleConfigName")
                if config:
                    line["NotebookInstanceLifecycleConfigName"] = config
            found.append({"NotebookInstanceName": record.name, **line})
        return {"NotebookInstances": found, **token}

    def presigned_url(self, request: AwsRequest) -> Json:
        self._get(request.params["NotebookInstanceName"])
        raise refuse(
            "CreatePresignedNotebookInstanceUrl: no Jupyter runs behind a notebook instance. "
            "Open the notebooks with one of your own and the settings of `sluice env`"
        )

    def _move(self, name: str, to: str, allowed: tuple[str, ...]) -> Record:
        record = self._get(name)
        with record.lock:
            status = _status(record)
            if status not in allowed:
                raise invalid(
                    f"Status ({status}) not in ([{', '.join(allowed)}]). "
                    f"Unable to transition to ({to}) for Notebook Instance ({record.arn})"
                )
            self._set(record, to)
        publish(self._region, "Notebook Instance", record)
        return record

    def busy(self) -> Iterable[str]:
        passing = ("Pending", "Stopping", "Updating", "Deleting")
        return [f"notebook instance {record.name}" for record in self.table.all() if _status(record) in passing]

    def _set(self, record: Record, status: str) -> None:
        """Under the record's lock."""
        record.modified = self._region.clock.now()
        record.state.update(NotebookInstanceStatus=status, LastModifiedTime=record.modified)

    def _then(self, record: Record, status: str | None) -> None:
        """After a moment ``status``; None: gone."""

        def settle() -> None:
            if self._stopped.wait(_MOMENT):
                return
            if status is None:
                self.table.remove(record)
                return
            with record.lock:
                self._set(record, status)
            publish(self._region, "Notebook Instance", record)

        threading.Thread(target=settle, name=f"notebook {record.name}", daemon=True).start()


def _status(record: Record) -> str:
    return str(record.state["NotebookInstanceStatus"])


def _wanted(params: Json, record: Record) -> bool:
    contains: list[tuple[str, Callable[[], object]]] = [
        (
            "NotebookInstanceLifecycleConfigNameContains",
            lambda: record.state.get("NotebookInstanceLifecycleConfigName"),
        ),
        ("DefaultCodeRepositoryContains", lambda: record.request.get("DefaultCodeRepository")),
    ]
    if any(params.get(name) and params[name] not in str(value() or "") for name, value in contains):
        return False
    equal = params.get("AdditionalCodeRepositoryEquals")
    return not equal or equal in (record.request.get("AdditionalCodeRepositories") or [])
