"""A command of ``sluice`` over an API that a test answers for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sluice.context import Context


class Given(Context):
    """The context of a command: ``api`` answers to both keys, in the local region."""

    def __init__(self, api: Any) -> None:
        super().__init__()
        self.given = api

    @property
    def api(self) -> Any:
        return self.given

    @property
    def admin_api(self) -> Any:
        return self.given

    @property
    def target(self) -> Any:
        return SimpleNamespace(is_local=True)
