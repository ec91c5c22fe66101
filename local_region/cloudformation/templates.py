"""The operations on templates: that of a stack, and what there is to say of one that nobody deploys yet."""

from __future__ import annotations

import json
from collections.abc import Callable

from local_region.cloudformation import answers
from local_region.cloudformation.errors import no_such_stack, template_errors
from local_region.cloudformation.loading import load
from local_region.cloudformation.planning import check_types
from local_region.cloudformation.requests import template_text
from local_region.cloudformation.stacks import Definition, Stacks
from local_region.cloudformation.template import SAM, check_sections, parse, transforms
from local_region.ports import Json, Region

_PARAMETER = ("ParameterKey", "DefaultValue", "NoEcho", "Description")
_VALIDATED = ("Description", "Capabilities", "CapabilitiesReason", "DeclaredTransforms")


class Templates:
    """``stacks`` are asked for when they are needed: the region's configuration is not there before it starts."""

    def __init__(self, region: Region, stacks: Callable[[], Stacks]) -> None:
        self._region, self._stacks = region, stacks

    def get_template(self, params: Json) -> Json:
        if params.get("ChangeSetName"):
            _, change_set = self._stacks().change_set(params["ChangeSetName"], params.get("StackName"))
            wanted = change_set.definition
        else:
            wanted = self._stacks().get(params.get("StackName")).definition
        stages = ["Original", "Processed"]
        if wanted is None:
            return {"StagesAvailable": stages}
        processed = params.get("TemplateStage") == "Processed"
        return {
            "TemplateBody": json.dumps(wanted.template.raw) if processed else wanted.text,
            "StagesAvailable": stages,
        }

    def get_template_summary(self, params: Json) -> Json:
        with template_errors():
            if params.get("StackName"):
                stack = self._stacks().get(params["StackName"])
                if stack.definition is None:
                    raise no_such_stack(stack.name)
                raw = stack.definition.raw
            else:
                raw = load(template_text(self._region, params, None))
            return summarized(raw)

    def validate_template(self, params: Json) -> Json:
        with template_errors():
            return validated(load(template_text(self._region, params, None)))


def summarized(raw: Json) -> Json:
    """The answer of GetTemplateSummary. ``TemplateError`` when it can't be; a SAM template is only looked at."""
    check_sections(raw)
    names = transforms(raw)
    types = sorted({item["Type"] for item in raw["Resources"].values()})
    if SAM in names:
        return answers.template_summary(raw, ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"], types)
    check_types(Definition("", raw, parse(raw), {}))
    needed = ["CAPABILITY_IAM"] if any(name.startswith("AWS::IAM::") for name in types) else []
    return answers.template_summary(raw, needed, types)


def validated(raw: Json) -> Json:
    """The answer of ValidateTemplate."""
    summary = summarized(raw)
    parameters = [{key: item[key] for key in _PARAMETER if key in item} for item in summary["Parameters"]]
    return {"Parameters": parameters, **{key: summary[key] for key in _VALIDATED if key in summary}}
