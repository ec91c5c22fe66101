"""Carrying out a deploy: make, change and remove resources, with every step as an event, and undo them when one fails."""

# ruff: noqa: E501  (messages stay on one line, so that they can be found)

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from local_region.cloudformation.errors import ResourceFailure, TemplateError
from local_region.cloudformation.failures import FAILURES, StackFailure, failed_to, is_gone, reason_of
from local_region.cloudformation.graph import order
from local_region.cloudformation.intrinsics import resolve
from local_region.cloudformation.outputs import outputs
from local_region.cloudformation.planning import (
    changed_properties,
    pseudo_parameters,
    replacement_of,
)
from local_region.cloudformation.resources import handler_of
from local_region.cloudformation.resources.base import Env, Handler
from local_region.cloudformation.scope import Made, StackScope
from local_region.cloudformation.stacks import Definition, Event, Stack, StackResource, Stacks
from local_region.cloudformation.template import Resource
from local_region.ports import AwsError, Json, Region

_LOG = logging.getLogger(__name__)
Undo = Callable[[], None]


class Deployment:
    """One operation on one stack. Runs in the stack's own thread; nothing else changes the stack meanwhile."""

    def __init__(self, region: Region, stacks: Stacks, stack: Stack, token: str | None = None) -> None:
        self._region, self._stacks, self._stack, self._token = region, stacks, stack, token
        self._journal: list[tuple[str, Undo]] = []
        self._replaced: list[StackResource] = []
        self._shown: dict[str, Json] = {}  # properties by logical id, as events may tell them

    # -- operations ---------------------------------------------------------------------------------------------

    def create(self, definition: Definition, on_failure: str) -> None:
        """To CREATE_COMPLETE; else roll back, delete or leave as ``on_failure`` (ROLLBACK, DELETE, DO_NOTHING) says."""
        self._stack.definition = definition
        try:
            self._apply(definition)
            self._note("CREATE_COMPLETE")
        except StackFailure as failure:
            if on_failure == "DO_NOTHING":
                self._note("CREATE_FAILED", str(failure))
                return
            self._note("ROLLBACK_IN_PROGRESS", f"{failure} Rollback requested by user.")
            left = self._undo()
            self._stack.outputs = []
            if left:
                self._note("ROLLBACK_FAILED", failed_to("delete", left))
            else:
                self._note("ROLLBACK_COMPLETE")
            if on_failure == "DELETE" and not left:
                self._note("DELETE_IN_PROGRESS")
                self.delete([])

    def update(self, definition: Definition, disable_rollback: bool) -> None:
        """To UPDATE_COMPLETE; else back to what was (UPDATE_ROLLBACK_COMPLETE), unless rollback is disabled."""
        stack = self._stack
        before = (stack.definition, list(stack.outputs), set(stack.imports))
        stack.definition, stack.updated = definition, self._region.clock.now()
        try:
            self._apply(definition)
        except StackFailure as failure:
            if disable_rollback:
                self._note("UPDATE_FAILED", str(failure))
                return
            self._note("UPDATE_ROLLBACK_IN_PROGRESS", str(failure))
            left = self._undo()
            stack.definition, stack.outputs, stack.imports = before
            if left:
                self._note("UPDATE_ROLLBACK_FAILED", failed_to("update", left))
            else:
                self._note("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
                self._note("UPDATE_ROLLBACK_COMPLETE")
            return
        self._note("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up(definition)
        self._note("UPDATE_COMPLETE")

    def delete(self, retain: list[str]) -> None:
        """To DELETE_COMPLETE, or DELETE_FAILED naming what is left."""
        used = [
            (name, user)
            for name in self._stack.exports()
            for user in self._stacks.importers(name)
            if user != self._stack.name
        ]
        if used:
            self._note("DELETE_FAILED", f"Export {used[0][0]} cannot be deleted as it is in use by {used[0][1]}")
            return
        keep = {
            name for name, item in self._stack.resources.items() if name in retain or item.deletion_policy != "Delete"
        }
        if self._stack.status == "ROLLBACK_COMPLETE":
            keep &= set(retain)
        left = self._remove_all(list(self._stack.resources), keep)
        if left:
            self._note("DELETE_FAILED", failed_to("delete", left))
            return
        self._stack.outputs, self._stack.imports = [], set()
        self._note("DELETE_COMPLETE")
        self._stack.deleted = self._region.clock.now()

    # -- making -------------------------------------------------------------------------------------------------

    def _apply(self, definition: Definition) -> None:
        stack = self._stack
        made = {name: item.made for name, item in stack.resources.items()}
        scope = StackScope(
            definition.template,
            definition.parameters,
            pseudo_parameters(self._region.config, stack.name, stack.id),
            made,
            self._stacks.export,
        )
        active: dict[str, Resource] = scope.active()
        masked = scope.masked()
        for name in definition.template.sequence(active):
            with self._failing(name, active[name]):
                properties = resolve(active[name].properties, scope)
                self._shown[name] = _shown(active[name], masked) if masked else properties
                needs = tuple(need for need in active[name].needs() if need in active)
                scope.made[name] = self._bring(active[name], properties, needs).made
        with self._failing_outputs():
            stack.outputs = outputs(scope, stack, self._stacks, self._region.config.endpoint)
            stack.imports = scope.imported

    @contextmanager
    def _failing(self, name: str, resource: Resource) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            if not isinstance(error, ResourceFailure | TemplateError | AwsError | ClientError):
                _LOG.exception("resource %s of stack %s", name, self._stack.name)
            existing = self._stack.resources.get(name)
            status = "UPDATE_FAILED" if existing else "CREATE_FAILED"
            physical = existing.made.physical_id if existing else ""
            self._event(name, physical, resource.type, status, reason_of(error))
            if existing:
                existing.status, existing.reason = status, reason_of(error)
            raise StackFailure(failed_to("update" if existing else "create", [name])) from error

    @contextmanager
    def _failing_outputs(self) -> Iterator[None]:
        try:
            yield
        except TemplateError as error:
            raise StackFailure(str(error)) from error

    def _bring(self, resource: Resource, properties: Json, needs: tuple[str, ...]) -> StackResource:
        existing = self._stack.resources.get(resource.logical_id)
        if existing is None:
            return self._create(resource, properties, needs, generation=0)
        differing = changed_properties(existing.properties, properties)
        if not differing:
            existing.needs, existing.metadata = needs, resource.metadata
            existing.deletion_policy, existing.update_replace_policy = (
                resource.deletion_policy,
                resource.update_replace_policy,
            )
            return existing
        if replacement_of(resource.type, differing, properties) == "False":
            return self._update(existing, resource, properties, needs)
        return self._replace(existing, resource, properties, needs)

    def _create(self, resource: Resource, properties: Json, needs: tuple[str, ...], generation: int) -> StackResource:
        name, handler = resource.logical_id, _handler(resource.type)
        self._event(name, "", resource.type, "CREATE_IN_PROGRESS", None, self._shown[name])
        made = handler.create(self._env(name, generation), properties)
        self._event(
            name,
            made.physical_id,
            resource.type,
            "CREATE_IN_PROGRESS",
            "Resource creation Initiated",
            self._shown[name],
        )
        item = self._keep(resource, made, properties, needs, "CREATE_COMPLETE", generation)
        self._event(name, made.physical_id, resource.type, "CREATE_COMPLETE", None, self._shown[name])
        if generation == 0:
            self._journal.append((name, lambda: self._remove(item)))
        return item

    def _keep(
        self, resource: Resource, made: Made, properties: Json, needs: tuple[str, ...], status: str, generation: int
    ) -> StackResource:
        item = StackResource(
            resource.logical_id,
            resource.type,
            made,
            properties,
            needs,
            status,
            self._region.clock.now(),
            generation,
            resource.deletion_policy,
            resource.update_replace_policy,
            resource.metadata,
            shown=self._shown[resource.logical_id],
        )
        self._stack.resources[resource.logical_id] = item
        return item

    def _update(
        self, old: StackResource, resource: Resource, properties: Json, needs: tuple[str, ...]
    ) -> StackResource:
        name, handler = resource.logical_id, _handler(resource.type)
        env = self._env(name, old.generation)
        self._event(name, old.made.physical_id, old.type, "UPDATE_IN_PROGRESS", None, self._shown[name])

        def undo() -> None:
            self._event(name, old.made.physical_id, old.type, "UPDATE_IN_PROGRESS", None, old.shown)
            handler.update(env, old.made, properties, old.properties)
            old.status, old.reason = "UPDATE_COMPLETE", None
            self._stack.resources[name] = old
            self._event(name, old.made.physical_id, old.type, "UPDATE_COMPLETE", None, old.shown)

        self._journal.append((name, undo))  # before the update: one that fails half way is put back, too
        made = handler.update(env, old.made, old.properties, properties)
        item = self._keep(resource, made, properties, needs, "UPDATE_COMPLETE", old.generation)
        self._event(name, made.physical_id, old.type, "UPDATE_COMPLETE", None, self._shown[name])
        return item

    def _replace(
        self, old: StackResource, resource: Resource, properties: Json, needs: tuple[str, ...]
    ) -> StackResource:
        name, handler = resource.logical_id, _handler(resource.type)
        own = handler.name_property
        if own and own in properties and properties[own] == old.properties.get(own):
            raise ResourceFailure(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {properties[own]} and update the stack again."
            )
        because = "Requested update requires the creation of a new physical resource; hence creating one."
        self._event(name, old.made.physical_id, old.type, "UPDATE_IN_PROGRESS", because, self._shown[name])
        made = handler.create(self._env(name, old.generation + 1), properties)
        item = self._keep(resource, made, properties, needs, "UPDATE_COMPLETE", old.generation + 1)
        self._event(name, made.physical_id, old.type, "UPDATE_COMPLETE", None, self._shown[name])
        self._replaced.append(old)

        def undo() -> None:
            self._remove(item)
            self._replaced.remove(old)
            old.status, old.reason = "UPDATE_COMPLETE", None
            self._stack.resources[name] = old
            self._event(name, old.made.physical_id, old.type, "UPDATE_COMPLETE", None, old.shown)

        self._journal.append((name, undo))
        return item

    # -- removing -----------------------------------------------------------------------------------------------

    def _undo(self) -> list[str]:
        """Take back every step, last first; the logical ids that couldn't be."""
        left = []
        for name, undo in reversed(self._journal):
            try:
                undo()
            except FAILURES as error:
                _LOG.warning("rollback of %s in stack %s: %s", name, self._stack.name, reason_of(error))
                left.append(name)
        return left

    def _clean_up(self, definition: Definition) -> None:
        """After an update: what the new template no longer has, and what was replaced."""
        for old in reversed(self._replaced):
            if old.update_replace_policy != "Delete":
                self._event(old.logical_id, old.made.physical_id, old.type, "DELETE_SKIPPED", None)
                continue
            try:
                self._delete_physical(old)
            except FAILURES as error:
                self._event(old.logical_id, old.made.physical_id, old.type, "DELETE_FAILED", reason_of(error))
        scope_names = {name for name in self._stack.resources if name in definition.template.resources}
        conditions = StackScope(
            definition.template,
            definition.parameters,
            pseudo_parameters(self._region.config, self._stack.name, self._stack.id),
            {},
            self._stacks.export,
        )
        wanted = scope_names & set(conditions.active())
        gone = [name for name in self._stack.resources if name not in wanted]
        keep = {name for name in gone if self._stack.resources[name].deletion_policy != "Delete"}
        self._remove_all(gone, keep)

    def _remove_all(self, names: list[str], keep: set[str]) -> list[str]:
        """Delete ``names``, dependants first; the ones that stay because they, or something that needs them, failed."""
        items = {name: self._stack.resources[name] for name in names}
        left: list[str] = []
        needed: set[str] = set()
        for name in reversed(
            order({name: [need for need in item.needs if need in items] for name, item in items.items()})
        ):
            item = items[name]
            if name in keep:
                self._event(name, item.made.physical_id, item.type, "DELETE_SKIPPED", None)
                del self._stack.resources[name]
                continue
            try:
                if name in needed:
                    needed.update(item.needs)
                    continue
                self._remove(item)
            except FAILURES as error:
                item.status, item.reason = "DELETE_FAILED", reason_of(error)
                self._event(name, item.made.physical_id, item.type, "DELETE_FAILED", item.reason)
                left.append(name)
                needed.update(item.needs)
        return left

    def _remove(self, item: StackResource) -> None:
        self._delete_physical(item)
        if self._stack.resources.get(item.logical_id) is item:
            del self._stack.resources[item.logical_id]

    def _delete_physical(self, item: StackResource) -> None:
        name, physical = item.logical_id, item.made.physical_id
        self._event(name, physical, item.type, "DELETE_IN_PROGRESS", None, item.shown)
        try:
            _handler(item.type).delete(self._env(name, item.generation), item.made, item.properties)
        except (ClientError, AwsError) as error:
            if not is_gone(error):
                raise
        self._event(name, physical, item.type, "DELETE_COMPLETE", None, item.shown)

    # -- helpers ------------------------------------------------------------------------------------------------

    def _env(self, logical_id: str, generation: int) -> Env:
        seed = f"{self._region.config.account_id}/{self._stack.seed}/{generation}"
        return Env(self._region, self._stack.name, self._stack.id, logical_id, seed)

    def _note(self, status: str, reason: str | None = None) -> None:
        with self._stacks.lock:
            self._stack.note(self._region.clock.now(), status, reason, self._token)

    def _event(
        self,
        logical_id: str,
        physical_id: str,
        kind: str,
        status: str,
        reason: str | None,
        properties: Json | None = None,
    ) -> None:
        at = self._region.clock.now()
        shown = json.dumps(properties) if properties else None
        event = Event(
            f"{logical_id}-{uuid.uuid4()}", at, logical_id, physical_id, kind, status, reason, shown, self._token
        )
        with self._stacks.lock:
            self._stack.events.append(event)


def _shown(resource: Resource, masked: StackScope) -> Json:
    """What events tell of a resource's properties; nothing when they can't be said without a hidden value."""
    try:
        return dict(resolve(resource.properties, masked))
    except TemplateError:  # a hidden value chose something, in Fn::FindInMap for one
        return {}


def _handler(kind: str) -> Handler:
    handler = handler_of(kind)
    if handler is None:
        raise ResourceFailure(f"Unrecognized resource type {kind}")
    return handler
