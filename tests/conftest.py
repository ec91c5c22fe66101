"""Fixtures that more than one tier uses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

from tests.support.application import Application, running_application

# Reading AWS's service models takes longer than most tests: the sessions of a process share what was read.
botocore.session.create_loader = cache(botocore.session.create_loader)

# The same examples every time, however slow the machine: what fails is due to what was changed. Others are looked for
# with `pytest --hypothesis-profile=search`.
settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", settings.get_profile("same"), derandomize=False)
settings.load_profile("same")

#: the end-to-end files that take longest, longest first; the others follow by name
_LONGEST = (
    "e2e/test_main_job",
    "e2e/test_sam_project",
    "e2e/test_bad_input",
    "browser/test_page",
    "e2e/test_sagemaker",
    "e2e/test_scripts",
    "e2e/test_notebooks",
    "e2e/test_layers",
    "e2e/test_sleep",
    "e2e/test_sam_deploy",
    "e2e/test_text",
    "e2e/test_algorithms",
    "e2e/test_guarded_deployment",
    "e2e/test_builtin_algorithms",
    "e2e/test_functions",
    "e2e/test_growing_data",
    "e2e/test_experiment",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: two processes take a file at a time, and neither should wait for the other's last one."""
    place = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(f"{item.path.parent.name}/{item.path.stem}", len(place)))


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """The application deployed once on one region, for all end-to-end tests of this process."""
    with running_application(tmp_path_factory.mktemp("region") / "state") as app:
        yield app
