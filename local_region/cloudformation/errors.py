"""What can be wrong with a template or a stack operation, in CloudFormation's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from local_region.ports import AwsError


class TemplateError(Exception):
    """The template can't be deployed. The text is what CloudFormation (or the region, by name) says about it."""


class ResourceFailure(Exception):
    """One resource could not be created, updated or deleted; the text becomes its ``ResourceStatusReason``."""


def validation_error(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def no_such_stack(name: str) -> AwsError:
    return validation_error(f"Stack with id {name} does not exist")


@contextmanager
def template_errors() -> Iterator[None]:
    """A template that can't be is the caller's ``ValidationError``."""
    try:
        yield
    except TemplateError as error:
        raise validation_error(str(error)) from error
