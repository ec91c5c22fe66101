"""What can go wrong, in the application's own words.

Adapters translate every AWS error into one of these; nothing above them sees a ``ClientError``.
"""

from __future__ import annotations

from dataclasses import dataclass


class SluicegateError(Exception):
    """Base of all errors that this package raises on purpose."""


@dataclass
class UserError(SluicegateError):
    """Something the user gave can't be used. It is reported, never retried.

    ``title`` names the kind of mistake in a few words, ``detail`` says exactly what was found and where,
    ``remedy`` says what to do about it.
    """

    title: str
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (f"{self.title}: {self.detail}", self.remedy) if part)

    def to_json(self) -> dict[str, str]:
        return {"title": self.title, "detail": self.detail, "remedy": self.remedy}


class UnreadableUpload(UserError):
    """A whole file can't be taken: empty, no rows, not text, ragged throughout, ..."""


class UnusableData(UserError):
    """Accepted rows can't train a model: one class, no labels, too few rows, no such target, ..."""


class OutOfRoom(UserError):
    """Memory and disk together don't hold what has to be done: another try in the same place ends the same way."""


class SettingsError(UserError):
    """``model.yaml`` has one or more mistakes; ``detail`` lists each with its key's path."""


class NotFound(SluicegateError):
    """The named thing does not exist."""


class AlreadyExists(SluicegateError):
    """The name is taken. Names are derived from causes, so the caller describes and adopts."""


class Conflict(SluicegateError):
    """A conditional write lost, or the resource is busy: somebody else moved first."""


class Refused(SluicegateError):
    """AWS refused the request itself (parameters, permissions, a quota): a second delivery would be refused as well."""


class Forbidden(Refused):
    """A permission of ours is missing: who runs the stack mends that, not who uses it. Where work can be taken up
    again, it is left to the dead-letter queue and its alarm."""


class Transient(SluicegateError):
    """Throttling, a timeout, a service that is down: worth another delivery."""
