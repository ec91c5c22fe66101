"""CloudFormation's API in the local region.

Stack operations run in a thread of their own, one at a time for each stack. A call that starts one waits a moment for
it (``hold_seconds``), because most end sooner and clients' waiters poll only every 5 to 30 s.
"""

# ruff: noqa: E501  (messages stay on one line, so that they can be found)

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from local_region.cloudformation import answers
from local_region.cloudformation.deployment import Deployment
from local_region.cloudformation.errors import template_errors, validation_error
from local_region.cloudformation.planning import check_capabilities, check_expand, plan
from local_region.cloudformation.requests import TransformFailure, definition, refuse_unsupported
from local_region.cloudformation.stacks import Change, ChangeSet, Definition, Stack, Stacks
from local_region.cloudformation.templates import Templates
from local_region.ports import AwsError, AwsRequest, Json, Region

_LOG = logging.getLogger(__name__)
_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_UPDATABLE = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED", "CREATE_FAILED"}
)


class CloudFormationService:
    """``AwsService`` for CloudFormation."""

    service = "cloudformation"

    def __init__(self, region: Region, hold_seconds: float = 2.0) -> None:
        self._region = region
        self._hold = hold_seconds
        self._known: Stacks | None = None
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Nothing to start: a thread is made for each stack operation."""

    def stop(self) -> None:
        """Let operations under way come to their end (at most some seconds)."""
        for thread in list(self._threads):
            thread.join(timeout=5)

    @property
    def _stacks(self) -> Stacks:
        if self._known is None:
            self._known = Stacks(self._region.config, self._region.clock.now)
        return self._known

    def operations(self) -> Mapping[str, Callable[[AwsRequest], Json]]:
        templates = Templates(self._region, lambda: self._stacks)
        handlers: tuple[Callable[[Json], Json], ...] = (
            self.create_stack,
            self.update_stack,
            self.delete_stack,
            self.create_change_set,
            self.describe_change_set,
            self.execute_change_set,
            self.delete_change_set,
            self.list_change_sets,
            self.describe_stacks,
            self.describe_stack_events,
            self.describe_stack_resources,
            self.describe_stack_resource,
            self.list_stack_resources,
            self.list_stacks,
            templates.get_template,
            templates.get_template_summary,
            templates.validate_template,
            self.list_exports,
            self.list_imports,
        )
        return {_camel(handler.__name__): _taking_params(handler) for handler in handlers}

    # -- stacks -------------------------------------------------------------------------------------------------

    def create_stack(self, params: Json) -> Json:
        refuse_unsupported(params)
        name = params["StackName"]
        if self._stacks.find(name) is not None:
            raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
        on_failure = params.get("OnFailure") or ("DO_NOTHING" if params.get("DisableRollback") else "ROLLBACK")
        with template_errors():
            wanted = definition(self._region, params, None)
            check_capabilities(wanted)
            check_expand(wanted)
            draft = Stack(name, "", name, self._region.clock.now(), "DRAFT")
            plan(wanted, draft, self._region.config, self._stacks.export)
        with self._stacks.lock:
            if self._stacks.find(name) is not None:
                raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
            stack = self._stacks.add(name, "CREATE_IN_PROGRESS")
            stack.disable_rollback = on_failure == "DO_NOTHING"
            stack.definition = wanted
            stack.note(
                self._region.clock.now(), "CREATE_IN_PROGRESS", "User Initiated", params.get("ClientRequestToken")
            )
        deployment = self._deployment(stack, params)
        self._run(stack, lambda: deployment.create(wanted, on_failure))
        return {"StackId": stack.id}

    def update_stack(self, params: Json) -> Json:
        refuse_unsupported(params)
        stack = self._living(params["StackName"])
        self._check_updatable(stack)
        with template_errors():
            wanted = definition(self._region, params, stack)
            check_capabilities(wanted)
            check_expand(wanted)
            changes = plan(wanted, stack, self._region.config, self._stacks.export)
        if not changes and wanted.same_outcome(stack.definition):
            raise validation_error("No updates are to be performed.")
        self._begin(stack, "UPDATE_IN_PROGRESS", params)
        deployment = self._deployment(stack, params)
        self._run(stack, lambda: deployment.update(wanted, bool(params.get("DisableRollback"))))
        return {"StackId": stack.id}

    def delete_stack(self, params: Json) -> Json:
        stack = self._stacks.find(params["StackName"])
        if stack is None or stack.deleted is not None or stack.status == "DELETE_IN_PROGRESS":
            return {}
        retain = params.get("RetainResources") or []
        if retain and stack.status != "DELETE_FAILED":
            raise validation_error("RetainResources can only be specified for stacks in the DELETE_FAILED state.")
        unknown = [name for name in retain if name not in stack.resources]
        if unknown:
            raise validation_error(f"RetainResources: [{', '.join(unknown)}] are not resources of stack {stack.name}.")
        self._begin(stack, "DELETE_IN_PROGRESS", params)
        deployment = self._deployment(stack, params)
        self._run(stack, lambda: deployment.delete(retain))
        return {}

    def describe_stacks(self, params: Json) -> Json:
        if params.get("StackName"):
            return {"Stacks": [answers.stack(self._stacks.get(params["StackName"]))]}
        items, more = answers.page(list(reversed(self._stacks.living())), params.get("NextToken"))
        return {"Stacks": [answers.stack(item) for item in items], **more}

    def list_stacks(self, params: Json) -> Json:
        wanted = params.get("StackStatusFilter")
        found = [item for item in self._stacks.all() if not wanted or item.status in wanted]
        items, more = answers.page(found, params.get("NextToken"))
        return {"StackSummaries": [answers.summary(item) for item in items], **more}

    def describe_stack_events(self, params: Json) -> Json:
        stack = self._stacks.get(params.get("StackName"))
        with self._stacks.lock:
            items, more = answers.newest_first(stack.events, params.get("NextToken"))
        return {"StackEvents": [answers.event(item, stack) for item in items], **more}

    def describe_stack_resources(self, params: Json) -> Json:
        stack = self._resources_of(params)
        wanted = params.get("LogicalResourceId")
        found = [item for item in list(stack.resources.values()) if wanted in (None, item.logical_id)]
        head = {"StackName": stack.name, "StackId": stack.id}
        return {"StackResources": [{**head, **answers.resource(item)} for item in found[:100]]}

    def _resources_of(self, params: Json) -> Stack:
        physical = params.get("PhysicalResourceId")
        if params.get("StackName"):
            return self._stacks.get(params["StackName"])
        for stack in self._stacks.living():
            if any(item.made.physical_id == physical for item in list(stack.resources.values())):
                return stack
        raise validation_error(f"Stack for {physical} does not exist")

    def describe_stack_resource(self, params: Json) -> Json:
        stack, name = self._stacks.get(params["StackName"]), params["LogicalResourceId"]
        if name not in stack.resources:
            raise validation_error(f"Resource {name} does not exist for stack {stack.name}")
        return {"StackResourceDetail": answers.resource_detail(stack.resources[name], stack)}

    def list_stack_resources(self, params: Json) -> Json:
        stack = self._stacks.get(params["StackName"])
        items, more = answers.page(list(stack.resources.values()), params.get("NextToken"))
        return {"StackResourceSummaries": [answers.resource_summary(item) for item in items], **more}

    def list_exports(self, params: Json) -> Json:
        found = [
            {"ExportingStackId": stack.id, "Name": name, "Value": value}
            for stack in self._stacks.living()
            for name, value in stack.exports().items()
        ]
        items, more = answers.page(found, params.get("NextToken"))
        return {"Exports": items, **more}

    def list_imports(self, params: Json) -> Json:
        users = self._stacks.importers(params["ExportName"])
        if not users:
            raise validation_error(f"Export '{params['ExportName']}' is not imported by any stack.")
        return {"Imports": users}

    # -- change sets --------------------------------------------------------------------------------------------

    def create_change_set(self, params: Json) -> Json:
        refuse_unsupported(params)
        kind = params.get("ChangeSetType") or "UPDATE"
        if kind not in ("CREATE", "UPDATE"):
            raise validation_error(f"ChangeSetType {kind} is not supported by the local region.")
        existing = self._stacks.find(params["StackName"])
        self._check_kind(kind, existing, params)
        wanted: Definition | None = None
        changes: list[Change] = []
        reason: str | None = None
        with template_errors():
            try:
                wanted = definition(self._region, params, existing)
                check_capabilities(wanted)
                draft = existing or Stack(params["StackName"], "", "", self._region.clock.now(), "DRAFT")
                changes = plan(wanted, draft, self._region.config, self._stacks.export)
            except TransformFailure as error:
                reason = str(error)
        with self._stacks.lock:
            stack = existing or self._stacks.add(params["StackName"], "REVIEW_IN_PROGRESS")
            if existing is None:
                stack.note(self._region.clock.now(), "REVIEW_IN_PROGRESS", "User Initiated")
            change_set = self._add_change_set(stack, kind, params, wanted)
        change_set.changes = tuple(changes)
        if wanted is not None and kind == "UPDATE" and not changes and wanted.same_outcome(stack.definition):
            reason = _NO_CHANGES
        if reason is not None:
            change_set.status, change_set.execution_status, change_set.reason = "FAILED", "UNAVAILABLE", reason
        return {"Id": change_set.id, "StackId": stack.id}

    def _check_kind(self, kind: str, stack: Stack | None, params: Json) -> None:
        name = params["StackName"]
        if kind == "CREATE" and stack is not None and stack.status != "REVIEW_IN_PROGRESS":
            raise validation_error(
                f"Stack [{name}] already exists and cannot be created again with the changeSet [{params['ChangeSetName']}]."
            )
        if kind == "UPDATE":
            if stack is None or stack.deleted is not None:
                raise validation_error(f"Stack [{name}] does not exist")
            self._check_updatable(stack)

    def _add_change_set(self, stack: Stack, kind: str, params: Json, wanted: Definition | None) -> ChangeSet:
        name = params["ChangeSetName"]
        if name in stack.change_sets:
            raise AwsError("AlreadyExistsException", f"ChangeSet {name} already exists for stack {stack.name}")
        change_set = ChangeSet(
            name,
            self._stacks.arn("changeSet", name),
            stack.id,
            kind,
            self._region.clock.now(),
            params.get("Description"),
            wanted,
            on_failure=params.get("OnStackFailure"),
            requested={"Capabilities": params.get("Capabilities")},
        )
        stack.change_sets[name] = change_set
        return change_set

    def describe_change_set(self, params: Json) -> Json:
        stack, change_set = self._stacks.change_set(params["ChangeSetName"], params.get("StackName"))
        items, more = answers.page(change_set.changes, params.get("NextToken"))
        return {**answers.change_set(change_set, stack), "Changes": [answers.change(item) for item in items], **more}

    def list_change_sets(self, params: Json) -> Json:
        stack = self._stacks.get(params["StackName"])
        items, more = answers.page(list(stack.change_sets.values()), params.get("NextToken"))
        return {"Summaries": [answers.change_set_summary(item, stack) for item in items], **more}

    def delete_change_set(self, params: Json) -> Json:
        stack, change_set = self._stacks.change_set(params["ChangeSetName"], params.get("StackName"))
        if change_set.execution_status == "EXECUTE_IN_PROGRESS":
            raise self._not_executable(change_set, "deleted")
        del stack.change_sets[change_set.name]
        return {}

    def execute_change_set(self, params: Json) -> Json:
        stack, change_set = self._stacks.change_set(params["ChangeSetName"], params.get("StackName"))
        with self._stacks.lock:
            wanted = change_set.definition
            if change_set.status != "CREATE_COMPLETE" or change_set.execution_status != "AVAILABLE" or wanted is None:
                raise self._not_executable(change_set, "executed")
            if change_set.kind == "UPDATE":
                self._check_updatable(stack)
            self._begin(stack, f"{change_set.kind}_IN_PROGRESS", params)
            stack.change_set_id, change_set.execution_status = change_set.id, "EXECUTE_IN_PROGRESS"
            for other in stack.change_sets.values():  # they were made for the stack as it was
                if other is not change_set and other.execution_status == "AVAILABLE":
                    other.execution_status = "OBSOLETE"
        deployment, keep = self._deployment(stack, params), bool(params.get("DisableRollback"))
        stack.disable_rollback = keep
        on_failure = change_set.on_failure or ("DO_NOTHING" if keep else "ROLLBACK")

        def work() -> None:
            if change_set.kind == "CREATE":
                deployment.create(wanted, on_failure)
            else:
                deployment.update(wanted, keep)
            done = stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
            change_set.execution_status = "EXECUTE_COMPLETE" if done else "EXECUTE_FAILED"

        self._run(stack, work)
        return {}

    @staticmethod
    def _not_executable(change_set: ChangeSet, verb: str) -> AwsError:
        state = (
            f"status of [{change_set.status}]"
            if change_set.status != "CREATE_COMPLETE"
            else f"execution status of [{change_set.execution_status}]"
        )
        return AwsError(
            "InvalidChangeSetStatus", f"ChangeSet [{change_set.id}] cannot be {verb} in its current {state}"
        )

    # -- helpers ------------------------------------------------------------------------------------------------

    def _living(self, name: str) -> Stack:
        stack = self._stacks.find(name)
        if stack is None or stack.deleted is not None:
            raise validation_error(f"Stack [{name}] does not exist")
        return stack

    @staticmethod
    def _check_updatable(stack: Stack) -> None:
        if stack.status not in _UPDATABLE:
            raise validation_error(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")

    def _begin(self, stack: Stack, status: str, params: Json) -> None:
        with self._stacks.lock:
            if stack.busy:
                verb = "deleted" if status.startswith("DELETE") else "updated"
                raise validation_error(f"Stack:{stack.id} is in {stack.status} state and can not be {verb}.")
            stack.note(self._region.clock.now(), status, "User Initiated", params.get("ClientRequestToken"))

    def _deployment(self, stack: Stack, params: Json) -> Deployment:
        return Deployment(self._region, self._stacks, stack, params.get("ClientRequestToken"))

    def _run(self, stack: Stack, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001  the thread's last resort: the stack must not look busy for ever
                _LOG.exception("operation on stack %s", stack.name)
                failed = stack.status.replace("_COMPLETE_CLEANUP", "").replace("_IN_PROGRESS", "_FAILED")
                with self._stacks.lock:
                    stack.note(self._region.clock.now(), failed, f"Internal failure: {error}")

        thread = threading.Thread(target=guarded, name=f"stack-{stack.name}", daemon=True)
        self._threads = [item for item in self._threads if item.is_alive()] + [thread]
        thread.start()
        thread.join(timeout=self._hold)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _taking_params(handler: Callable[[Json], Json]) -> Callable[[AwsRequest], Json]:
    def handle(request: AwsRequest) -> Json:
        return handler(request.params)

    return handle
