"""SageMaker's InvokeEndpoint, signed and posted by ourselves.

Format: "InvokeEndpoint", Amazon SageMaker Runtime API Reference. Errors are told apart by code, and ValidationError by
its text, because SageMaker has no code of its own for a variant or an endpoint that isn't there.
"""

from __future__ import annotations

from sluicegate.adapters.signed_http import SAGEMAKER_RUNTIME, Answer, Refused, SignedHttp
from sluicegate.domain.errors import SluicegateError
from sluicegate.services.dispatch import Lane
from sluicegate.services.predict import EndpointMissing, ModelFailed, VariantRefused

#: SageMaker ends a call to a model after 60 s; API Gateway gives up after 29 s before that
_LONGEST_MESSAGE = 500


class SageMakerEndpoints:
    """Implements `sluicegate.services.predict.Endpoints`."""

    def __init__(self, http: SignedHttp) -> None:
        self._http = http

    def invoke(self, lane: Lane, body: bytes, inference_id: str, timeout: float) -> bytes:
        headers = {
            "content-type": lane.content_type,
            "accept": lane.accept,
            "x-amzn-sagemaker-target-variant": lane.variant,
            "x-amzn-sagemaker-inference-id": inference_id,
        }
        path = f"/endpoints/{lane.endpoint}/invocations"
        try:
            answer = self._http.send(SAGEMAKER_RUNTIME, "POST", path, headers, body, timeout=timeout)
        except Refused as refused:
            raise _translated(refused.answer, lane) from refused
        # Documented for endpoints of several variants; should one of a single variant take no notice of the target,
        # what another version made of this encoding must not pass for an answer.
        invoked = answer.headers.get("x-amzn-invoked-production-variant", lane.variant)
        if invoked != lane.variant:
            raise VariantRefused(f"variant {invoked} answered instead of {lane.variant}")
        return answer.body


def _translated(answer: Answer, lane: Lane) -> SluicegateError:
    code, message = answer.error_code, answer.error_message
    text = message.replace(lane.endpoint, "").lower()  # a model may well be named "variant"
    if code in ("ValidationError", "ValidationException"):
        if "variant" in text:
            return VariantRefused(message)
        if "endpoint" in text and ("not found" in text or "not in service" in text or "could not find" in text):
            return EndpointMissing(message)
    if code == "ModelError" or answer.status == 424:
        original = str(answer.error_members.get("OriginalMessage") or message)
        return ModelFailed(short(original))
    return ModelFailed(short(f"{code or answer.status} from {lane.endpoint}: {message}"))


def short(text: str) -> str:
    """One line, cut at 500 characters: models answer with whole tracebacks and HTML pages.

    >>> short("a\\n  b")
    'a b'
    """
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
