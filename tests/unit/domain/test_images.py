"""The images' table is the SageMaker SDK's."""

from __future__ import annotations

import pytest

from sluicegate.domain import images
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.image_table import IMAGES, REGISTRIES
from tests.support.sdk import image_uris


@pytest.mark.parametrize("name", IMAGES)
def test_each_image_is_the_one_that_the_sdk_names(name: str) -> None:
    _, version, group = IMAGES[name]
    for region in REGISTRIES[group]:
        assert images.built_in(name, region) == image_uris().retrieve(name, region, version=version)


def test_a_region_without_the_image_is_refused_with_those_that_have_it() -> None:
    with pytest.raises(SettingsError, match=r"us-east-1") as refused:
        images.xgboost("mars-north-1")
    assert "mars-north-1" in refused.value.detail
