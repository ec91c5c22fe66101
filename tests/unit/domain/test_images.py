"""The images' table is the SageMaker SDK's."""

from __future__ import annotations

from functools import cache

import pytest
from sagemaker.core import common_utils, image_uris

from sluicegate.domain import images
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.image_table import IMAGES, REGISTRIES


@pytest.mark.parametrize("name", IMAGES)
def test_each_image_is_the_one_that_the_sdk_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # It reads botocore's endpoints (a file of a megabyte) anew for each region.
    monkeypatch.setattr(common_utils, "_botocore_resolver", cache(common_utils._botocore_resolver))
    _, version, group = IMAGES[name]
    for region in REGISTRIES[group]:
        assert images.built_in(name, region) == image_uris.retrieve(name, region, version=version)


def test_a_region_without_the_image_is_refused_with_those_that_have_it() -> None:
    with pytest.raises(SettingsError, match=r"us-east-1") as refused:
        images.xgboost("mars-north-1")
    assert "mars-north-1" in refused.value.detail
