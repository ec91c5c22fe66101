"""Stacks and change sets as the region keeps them (in memory, like the services they are made of)."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from local_region.cloudformation.errors import no_such_stack
from local_region.cloudformation.parameters import Parameter
from local_region.cloudformation.scope import Made
from local_region.cloudformation.template import Template
from local_region.ports import AwsError, Json, RegionConfig

STACK_TYPE = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class Event:
    id: str
    at: datetime
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str | None = None
    properties: str | None = None
    token: str | None = None


@dataclass
class StackResource:
    """One resource that exists. ``properties`` are resolved; ``needs`` are the logical ids it was made after; ``shown``
    is what events tell of the properties: all of it, but for the values of NoEcho parameters."""

    logical_id: str
    type: str
    made: Made
    properties: Json
    needs: tuple[str, ...]
    status: str
    at: datetime
    generation: int = 0
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    metadata: Json = field(default_factory=dict)
    reason: str | None = None
    shown: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One line of a change set. ``replacement`` is None for Add and Remove."""

    action: Literal["Add", "Modify", "Remove"]
    logical_id: str
    type: str
    physical_id: str | None = None
    replacement: Literal["True", "False", "Conditional"] | None = None
    properties: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """Everything a stack is to become: what CreateStack, UpdateStack or a change set asks for."""

    text: str
    raw: Json
    template: Template
    parameters: Mapping[str, Parameter]
    capabilities: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    role_arn: str | None = None

    def same_outcome(self, other: Definition | None) -> bool:
        """Whether outputs, description and tags, which no resource shows, are the same, too."""
        return other is not None and all(
            mine == theirs
            for mine, theirs in (
                (self.template.outputs, other.template.outputs),
                (self.tags, other.tags),
                (self.template.raw.get("Description"), other.template.raw.get("Description")),
            )
        )


@dataclass
class ChangeSet:
    name: str
    id: str
    stack_id: str
    kind: str
    created: datetime
    description: str | None
    definition: Definition | None = None
    changes: tuple[Change, ...] = ()
    status: str = "CREATE_COMPLETE"
    execution_status: str = "AVAILABLE"
    reason: str | None = None
    on_failure: str | None = None
    requested: Json = field(default_factory=dict)


@dataclass
class Stack:
    name: str
    id: str
    seed: str
    created: datetime
    status: str
    definition: Definition | None = None
    reason: str | None = None
    updated: datetime | None = None
    deleted: datetime | None = None
    disable_rollback: bool = False
    change_set_id: str | None = None
    resources: dict[str, StackResource] = field(default_factory=dict)
    outputs: list[Json] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    def note(self, at: datetime, status: str, reason: str | None = None, token: str | None = None) -> None:
        """Move the stack to ``status`` and write the event of it."""
        self.events.append(Event(str(uuid.uuid4()), at, self.name, self.id, STACK_TYPE, status, reason, token=token))
        self.status, self.reason = status, reason

    def exports(self) -> dict[str, str]:
        return {output["ExportName"]: output["OutputValue"] for output in self.outputs if "ExportName" in output}


class Stacks:
    """All stacks that the region has known. Thread-safe; ``lock`` guards every change of a stack's status."""

    def __init__(self, config: RegionConfig, now: Callable[[], datetime]) -> None:
        self.lock = threading.RLock()
        self._config = config
        self._now = now
        self._by_id: dict[str, Stack] = {}
        self._lives: dict[str, int] = {}

    def arn(self, kind: str, name: str) -> str:
        config = self._config
        place = f"{config.region_name}:{config.account_id}"
        return f"arn:{config.partition}:cloudformation:{place}:{kind}/{name}/{uuid.uuid4()}"

    def add(self, name: str, status: str) -> Stack:
        with self.lock:
            life = self._lives[name] = self._lives.get(name, 0) + 1
            stack = Stack(name, self.arn("stack", name), f"{name}/{life}", self._now(), status)
            self._by_id[stack.id] = stack
            return stack

    def living(self) -> list[Stack]:
        with self.lock:
            return [stack for stack in self._by_id.values() if stack.deleted is None]

    def all(self) -> list[Stack]:
        with self.lock:
            return list(reversed(self._by_id.values()))

    def find(self, name_or_id: str) -> Stack | None:
        """By name the living one; by id also one that was deleted."""
        with self.lock:
            if name_or_id in self._by_id:
                return self._by_id[name_or_id]
            return next((stack for stack in self.living() if stack.name == name_or_id), None)

    def get(self, name_or_id: Any) -> Stack:
        stack = self.find(str(name_or_id))
        if stack is None:
            raise no_such_stack(str(name_or_id))
        return stack

    def change_set(self, name_or_id: str, stack_name: str | None) -> tuple[Stack, ChangeSet]:
        for stack in [self.get(stack_name)] if stack_name else self.all():
            for change_set in stack.change_sets.values():
                if name_or_id in (change_set.name, change_set.id):
                    return stack, change_set
        raise AwsError("ChangeSetNotFound", f"ChangeSet [{name_or_id}] does not exist", 404)

    def export(self, name: str) -> str | None:
        return next((stack.exports()[name] for stack in self.living() if name in stack.exports()), None)

    def importers(self, export: str) -> list[str]:
        return [stack.name for stack in self.living() if export in stack.imports]
