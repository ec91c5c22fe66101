"""The keys of ``algorithm`` that are about scripts and own images, and what goes with which."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sluicegate.domain import framework_images
from sluicegate.domain.source import is_name


def _script_name(text: str) -> str:
    if not is_name(text) or not text.endswith(".py"):
        raise ValueError("accepted is a .py file under code/, such as train.py or jobs/train.py")
    return text


def _media_type(text: str) -> str:
    if not re.fullmatch(r"[a-z]+/[a-z0-9.+-]{1,80}", text):
        raise ValueError("accepted is a media type such as text/csv or application/json")
    return text


def _uri(text: str) -> str:
    if not re.fullmatch(r"[^\s]{1,255}", text):
        raise ValueError("accepted is an image's URI: 1 to 255 characters without spaces")
    return text


MediaType = Annotated[str, AfterValidator(_media_type)]


class ScriptKeys(BaseModel):
    """Only with ``name: script`` or ``name: image``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    framework: Literal["sklearn", "xgboost", "pytorch"] = Field(
        default="sklearn", description="script: which of AWS's framework containers runs it."
    )
    framework_version: str | None = Field(
        default=None, description="script: the container's version; by default a recent one."
    )
    entry_point: Annotated[str, AfterValidator(_script_name)] = Field(
        default="train.py", description="script: the file under models/<model>/code/ that trains."
    )
    input: Literal["encoded", "raw"] = Field(
        default="encoded", description="script, image: numbers as the built-ins get them, or the records themselves."
    )
    image: Annotated[str, AfterValidator(_uri)] | None = Field(
        default=None, description="image: the URI of an image of your own."
    )
    content_type: MediaType | None = Field(
        default=None, description="image: what requests say they are; by default text/csv, raw application/jsonlines."
    )
    accept: MediaType | None = Field(
        default=None, description="image: what answers are asked for; by default text/csv."
    )


#: whose hyperparameters are whatever the user likes
FREE = ("script", "image")
#: whose jobs speak to no other machine
_ONE_BY_ONE = ("script", "image", "lightgbm", "catboost")
#: which names each key goes with
_GOES_WITH = {
    "framework": ("script",),
    "framework_version": ("script",),
    "entry_point": ("script",),
    "input": ("script", "image"),
    "image": ("image",),
    "content_type": ("image",),
    "accept": ("image",),
}


def unused(dumped: dict[str, Any]) -> set[str]:
    """The keys of a dumped ``algorithm`` that mean nothing there: they change no fingerprint."""
    return {key for key, names in _GOES_WITH.items() if dumped["name"] not in names}


def mistakes(algorithm: Any, count: int) -> Iterator[str]:
    """``algorithm``: the part of that name; ``count``: how many machines train. A line for each mistake."""
    for key in sorted(set(_GOES_WITH) & algorithm.model_fields_set):
        names = _GOES_WITH[key]
        if algorithm.name not in names and getattr(algorithm, key) is not None:
            yield f"algorithm.{key}: only with algorithm.name {' or '.join(names)}; remove it, or change the name"
    if algorithm.name == "script" and algorithm.framework_version is not None:
        known = framework_images.versions(algorithm.framework)
        if algorithm.framework_version not in known:
            yield (
                f"algorithm.framework_version: given {algorithm.framework_version!r}; "
                f"accepted for {algorithm.framework} is {', '.join(known)}"
            )
    if algorithm.name == "image" and algorithm.image is None:
        yield (
            "algorithm.image: missing; name the URI of your image, "
            "such as <account>.dkr.ecr.<region>.amazonaws.com/<name>:<tag>"
        )
    if algorithm.name in _ONE_BY_ONE and count > 1:
        yield f"training.count: given {count}; accepted for {algorithm.name} is 1"
