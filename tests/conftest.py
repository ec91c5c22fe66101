"""Fixtures that more than one tier uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.application import Application, running_application


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """The application deployed once on one region, for all end-to-end tests of this process."""
    with running_application(tmp_path_factory.mktemp("region") / "state") as app:
        yield app
