"""Which images the SageMaker SDK names."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def image_uris() -> Any:
    """The SDK's module, imported by the test that needs it: that takes seconds."""
    from sagemaker.core import common_utils, image_uris

    # It reads botocore's endpoints (a file of a megabyte) anew for each image.
    common_utils._botocore_resolver = cache(common_utils._botocore_resolver)
    return image_uris
