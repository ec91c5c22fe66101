"""What a stack tells the world: its outputs, and those that other stacks import."""

from __future__ import annotations

from local_region.cloudformation.errors import TemplateError
from local_region.cloudformation.intrinsics import text_of
from local_region.cloudformation.planning import resolve_outputs
from local_region.cloudformation.resources.functions import reachable
from local_region.cloudformation.scope import StackScope
from local_region.cloudformation.stacks import Stack, Stacks
from local_region.ports import Json


def outputs(scope: StackScope, stack: Stack, stacks: Stacks, endpoint: str) -> list[Json]:
    """The outputs of ``stack`` as DescribeStacks shows them, when its resources are made. ``TemplateError`` when an
    export is another stack's, or is changed or taken away while it is imported."""
    answer = []
    for name, spec in resolve_outputs(scope):
        output: Json = {"OutputKey": name, "OutputValue": reachable(text_of(spec["Value"]), endpoint)}
        if "Description" in spec:
            output["Description"] = str(spec["Description"])
        if "Export" in spec:
            export = output["ExportName"] = text_of(spec["Export"]["Name"])
            owner = next((item for item in stacks.living() if export in item.exports()), stack)
            if owner is not stack:
                raise TemplateError(f"Export with name {export} is already exported by stack {owner.name}")
        answer.append(output)
    _check_imported(stack, stacks, answer)
    return answer


def _check_imported(stack: Stack, stacks: Stacks, coming: list[Json]) -> None:
    for export, value in stack.exports().items():
        users = stacks.importers(export)
        kept = next((item["OutputValue"] for item in coming if item.get("ExportName") == export), None)
        if users and kept != value:
            verb = "deleted" if kept is None else "updated"
            raise TemplateError(f"Export {export} cannot be {verb} as it is in use by {users[0]}")
