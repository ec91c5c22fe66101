"""The code of script models: what lies under models/<model>/code/, packed whole, and what a run takes of it.

Events come late, twice and in any order, so none is believed: each makes us list the folder as it is now, and list it
again once that is written down. Whoever writes last has seen the newest, whatever the order of the events.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluicegate import shipped
from sluicegate.domain import names, source
from sluicegate.domain.algorithms import Algorithm
from sluicegate.domain.errors import NotFound, Transient
from sluicegate.domain.items import CodeItem, ErrorItem, ModelItem, RunItem
from sluicegate.ports import Storage, StoredObject
from sluicegate.services.arrivals import Arrived, newer
from sluicegate.services.ledger import Ledger, Step, refusal

log = logging.getLogger(__name__)

_ATTEMPTS = 20
ARCHIVE = "sourcedir.tar.gz"


@dataclass(frozen=True)
class _Read:
    """One look at the folder: ``seen`` changes exactly when anything in it does."""

    seen: str
    code: CodeItem | None
    problem: ErrorItem | None


class CodeFolder:
    """``changed`` may be called again for the same object, any number of times."""

    def __init__(self, ledger: Ledger, storage: Storage) -> None:
        self._ledger = ledger
        self._registry = ledger.registry
        self._storage = storage

    def changed(self, model: str, arrived: Arrived) -> str:
        """Read the folder after one of its objects was written or deleted. Always "code"."""
        now = arrived.at
        for _ in range(_ATTEMPTS):
            there = self._list(model)
            read = self._read(model, there)
            asked = self._write_down(model, read, arrived, now)
            if _seen(self._list(model)) == read.seen:
                break
        else:
            raise Transient(f"the code of {model} changes faster than it can be read")
        if asked and read.problem is None:
            self._ledger.look_again(model, asked, now)
        return "code"

    def _list(self, model: str) -> dict[str, StoredObject]:
        prefix = f"models/{model}/code/"
        found = {each.key.removeprefix(prefix): each for each in self._storage.list(prefix)}
        return {name: each for name, each in found.items() if name and not name.endswith("/")}

    def _read(self, model: str, there: dict[str, StoredObject]) -> _Read:
        seen = _seen(there)
        known = self._known(model)
        if known is not None and known.get("code_seen") == seen:
            return _Read(seen, known.get("code"), known.get("code_problem"))
        if not there:
            return _Read(seen, None, None)
        try:
            source.check_names({name: each.size for name, each in there.items()})
            files = {name: self._storage.read(each.key, source.MAX_BYTES) for name, each in sorted(there.items())}
            source.check_content(files)
        except source.BadCode as error:
            return _Read(seen, None, refusal(error))
        except NotFound:
            return _Read("", None, None)  # deleted meanwhile: the next look is another
        return _Read(seen, keep(self._storage, model, files), None)

    def _known(self, model: str) -> ModelItem | None:
        try:
            return self._registry.model(model)
        except NotFound:
            return None

    def _write_down(self, model: str, read: _Read, arrived: Arrived, now: datetime) -> str:
        """What asks for a run: "" when nothing does."""
        name = arrived.key.partition("/code/")[2]
        cause = f"code:{read.code['digest'] if read.code else 'none'}"
        asked = cause

        def plan(item: ModelItem) -> Step | None:
            nonlocal asked
            asked = cause
            writes = dict(item.get("code_writes") or {})
            attempt = f"again:{names.digest(['code', read.seen, arrived.sequencer], 12)}"
            again = newer(arrived.sequencer, writes.get(name, ""))
            if again:
                writes[name] = arrived.sequencer
            if item.get("code_seen") == read.seen:
                if not again:
                    if item.get("latest_cause") == attempt:  # ours, and broke off before it was told
                        asked = attempt
                    return None
                retry = self._retry(item)
                if not retry:
                    return Step(item.get("message") or "", {"code_writes": writes})
                asked = attempt
                message = f"code/{name} came again: another attempt after run {retry['retry']} failed."
                return Step(message, {**retry, "code_writes": writes, "latest_cause": asked}, state="working")
            fields: dict[str, Any] = {"code_seen": read.seen, "code_writes": writes, "code_problem": read.problem}
            if read.problem is not None:
                # what was packed before stays: nothing that serves or runs depends on the folder
                return Step(f"Code: {read.problem['detail']}", fields, state="failed")
            fields |= {"code": read.code, "latest_cause": cause, "waits": None}
            if read.code is not None and item.get("columns"):
                fields["asked"] = cause  # like saving model.yaml: however few rows came, whatever the schedule
            said = f"Code was read: {', '.join(read.code['files'][:5])}." if read.code else "There is no code any more."
            return Step(said, fields, state="working" if item.get("columns") else "waiting")

        self._ledger.step(model, now, plan, create=True)
        return asked

    def _retry(self, item: ModelItem) -> dict[str, Any]:
        last = item.get("last_run")
        if last is None or item.get("active_run") is not None:
            return {}
        return {"retry": last} if self._registry.run(item["model"], last)["status"] == "failed" else {}


def _seen(there: dict[str, StoredObject]) -> str:
    parts: list[str] = []
    for name in sorted(there):
        parts += [name, there[name].etag]
    return names.digest(["code", *parts], 16)


def keep(storage: Storage, model: str, files: dict[str, bytes]) -> CodeItem:
    """``files`` as an archive under their content's key; written once."""
    whole = {**files, source.RUNNER: shipped.runner()}
    digest = source.fingerprint(whole)
    key = f"code/{model}/{digest}/{ARCHIVE}"
    try:
        storage.head(key)
    except NotFound:
        storage.write(key, source.pack(whole), "application/gzip")
    return CodeItem(digest=digest, key=key, files=sorted(files))


def waits(item: ModelItem, algorithm: Algorithm) -> str | None:
    """Why a run can't start yet for want of code, in words for people; None when it can."""
    if algorithm.code != "own":
        return None
    folder = f"models/{item['model']}/code/"
    problem = item.get("code_problem")
    if problem:
        return f"Waits until the code is corrected: {problem['detail']}"
    code = item.get("code")
    if not code:
        return f"Waits for the script: upload {folder}{algorithm.entry_point}."
    if algorithm.entry_point not in code["files"]:
        there = ", ".join(code["files"][:5])
        return f"Waits for the script: upload {folder}{algorithm.entry_point} (there is {there})."
    return None


def wait(ledger: Ledger, model: str, reason: str, now: datetime) -> str:
    """Tell ``reason`` (of ``waits``). Always "code"."""

    def plan(item: ModelItem) -> Step | None:
        if item.get("waits") == reason:
            return None
        return Step(reason, {"waits": reason}, state="failed" if item.get("code_problem") else "waiting")

    ledger.step(model, now, plan)
    return "code"


def of_run(storage: Storage, item: ModelItem, algorithm: Algorithm) -> CodeItem | None:
    """The code that a run starting now trains; None for algorithms without. Call ``waits`` before."""
    if algorithm.code == "shipped":
        return keep(storage, item["model"], shipped.model(algorithm.name))
    return item.get("code") if algorithm.code == "own" else None


def fingerprint(training: str, code: CodeItem | None) -> str:
    """``training`` (of the settings), and the code where there is some."""
    return training if code is None else names.digest([training, code["digest"]], 16)


def submitted(storage: Storage, run: RunItem, algorithm: Algorithm) -> tuple[dict[str, str], dict[str, str]]:
    """Hyperparameters and environment that make a training job run the run's code."""
    code = run.get("code")
    if code is None:
        return {}, {}
    return (
        {"sagemaker_program": source.RUNNER, "sagemaker_submit_directory": storage.uri(code["key"])},
        {"SLUICEGATE_ENTRY_POINT": algorithm.entry_point},
    )


def serving(run: RunItem, algorithm: Algorithm) -> dict[str, str]:
    """The environment of a Model that serves what ``run`` trained; its code is in the archive (see shipped/run.py)."""
    code = run.get("code")
    if code is None:
        return algorithm.environment(None)
    program = "inference.py" if "inference.py" in code["files"] else algorithm.entry_point
    return algorithm.environment(program)
