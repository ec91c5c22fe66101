"""The SAM transform, by AWS's own ``samtranslator``.

It is imported on the first template that needs it (0.2 s, 17 MB beside boto3 and moto: docs/decisions/0005) and runs
in process, one template at a time, because it keeps module-wide state.
"""

# ruff: noqa: E501  (messages stay on one line, so that they can be found)

from __future__ import annotations

import copy
import json
import logging
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3

from local_region.cloudformation.errors import TemplateError
from local_region.ports import Json

_LOCK = threading.Lock()
# It collects usage metrics for AWS's service and warns that nobody published them; here nobody should.
logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)


def transform(raw: Json, parameter_values: Json, region_name: str) -> Json:
    """``raw`` with every ``AWS::Serverless::*`` resource expanded. ``TemplateError`` worded as CloudFormation's status reason."""
    with _LOCK:
        from samtranslator.model.exceptions import ExceptionWithMessage, InvalidDocumentException  # type: ignore[import-untyped]
        from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
        from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]

        session = boto3.Session(region_name=region_name, aws_access_key_id="local", aws_secret_access_key="local")  # noqa: S106  (it makes no request)
        values = {"AWS::Region": region_name, **parameter_values}
        try:
            translator = Translator(None, Parser(), None, session)
            fragment = json.loads(json.dumps(raw))
            answer = translator.translate(fragment, values, get_managed_policy_map=_managed_policies)
        except InvalidDocumentException as error:
            causes = " ".join(cause.message for cause in error.causes)
            raise TemplateError(
                f"Transform AWS::Serverless-2016-10-31 failed with: {error.message} {causes}".strip()
            ) from error
        except ExceptionWithMessage as error:
            raise TemplateError(f"Transform AWS::Serverless-2016-10-31 failed with: {error.message}") from error
        processed: Json = json.loads(json.dumps(copy.deepcopy(answer)))
    processed.pop("Transform", None)
    others = [name for name in _as_list(raw.get("Transform")) if name != "AWS::Serverless-2016-10-31"]
    if others:
        processed["Transform"] = others
    return processed


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


@lru_cache(maxsize=1)
def _managed_policies() -> dict[str, str]:
    """AWS's managed policies by name, from the list that samtranslator ships."""
    import samtranslator  # type: ignore[import-untyped]

    path = Path(samtranslator.__file__).parent / "internal" / "data" / "aws_managed_policies.json"
    policies: dict[str, str] = json.loads(path.read_text())["aws"]
    return policies
