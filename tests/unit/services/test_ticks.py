"""Functions on a schedule see to many models: what goes wrong with one is told, and stands in no other's way."""

from __future__ import annotations

import pytest

from sluicegate.domain.errors import Refused, Transient
from sluicegate.services.ticks import each


@pytest.mark.parametrize("error", [Refused("a quota"), ArithmeticError("a mistake in the program")])
def test_what_goes_wrong_with_one_model_is_told_after_the_others_were_seen_to(error: Exception) -> None:
    seen: list[str] = []

    def work(model: str) -> None:
        seen.append(model)
        if model == "b":
            raise error

    with pytest.raises(Transient, match=f"b: .*{error}"):
        each("abc", work)
    assert seen == ["a", "b", "c"]
