"""Which of SageMaker's images run here, and as what."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: repository of the built-in algorithm's image
_XGBOOST = re.compile(r"(?:.*/)?(?:sagemaker-xgboost|xgboost)(?::(?P<tag>[\w.-]+))?(?:@sha256:[0-9a-f]{64})?")
MAPPED = "sagemaker-xgboost:<any version> (run as 3.0-5)"


@dataclass(frozen=True)
class Container:
    """Entry points of the process that stands in for an image."""

    name: str
    train: str
    serve: str


XGBOOST = Container(
    "xgboost", "local_region.containers.xgboost.train:main", "local_region.containers.xgboost.serve:main"
)


def container_of(image: str) -> Container | None:
    """The stand-in for an image URI, or None."""
    return XGBOOST if _XGBOOST.fullmatch(image) else None


def unknown(image: str) -> str:
    return f"The local region has no container for image {image}. Mapped are: {MAPPED}."
