"""The images of AWS's framework containers in a region, to train and to serve.

>>> training("sklearn", "1.9-0", "us-east-1")
'683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3'
>>> serving("pytorch", "2.6.0", "eu-west-1")
'763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312'
"""

from __future__ import annotations

from sluicegate.domain import images
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.framework_image_table import IMAGES, REGISTRIES

#: what runs when model.yaml names no version: the newest that the local region's packages come close to
NEWEST = {"sklearn": "1.9-0", "xgboost": "3.0-5", "pytorch": "2.6.0"}


def versions(framework: str) -> list[str]:
    """The versions that model.yaml may name."""
    return list(IMAGES[framework])


def training(framework: str, version: str, region: str) -> str:
    """``SettingsError`` when AWS has the image in no registry of that region."""
    return _uri(framework, version, region, 0)


def serving(framework: str, version: str, region: str) -> str:
    """``SettingsError`` when AWS has the image in no registry of that region."""
    return _uri(framework, version, region, 1)


def _uri(framework: str, version: str, region: str, scope: int) -> str:
    repository, tag, place = IMAGES[framework][version][scope]
    account = REGISTRIES[place].get(region)
    if account is None:
        raise SettingsError(
            "No such image here",
            f"SageMaker's image {repository}:{tag} is not in {region}.",
            f"Deploy the stack in one of these regions: {', '.join(REGISTRIES[place])}.",
        )
    return f"{images.registry(account, region)}/{repository}:{tag}"
