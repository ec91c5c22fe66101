"""What GetTemplateSummary and ValidateTemplate say of a template that nobody deploys yet."""

from __future__ import annotations

from local_region.cloudformation import answers
from local_region.cloudformation.planning import check_types
from local_region.cloudformation.stacks import Definition
from local_region.cloudformation.template import SAM, check_sections, parse, transforms
from local_region.ports import Json

_PARAMETER = ("ParameterKey", "DefaultValue", "NoEcho", "Description")
_VALIDATED = ("Description", "Capabilities", "CapabilitiesReason", "DeclaredTransforms")


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
