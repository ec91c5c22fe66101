"""The container images of SageMaker's built-in algorithms in a region.

>>> xgboost("us-east-1")
'683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5'
>>> xgboost("cn-north-1")
'450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-xgboost:3.0-5'
>>> built_in("kmeans", "eu-west-1")
'438346466558.dkr.ecr.eu-west-1.amazonaws.com/kmeans:1'
"""

from __future__ import annotations

from sluicegate.domain.errors import SettingsError
from sluicegate.domain.image_table import IMAGES, REGISTRIES

#: the domains of partitions other than "aws" (botocore's endpoints.json, "dnsSuffix"), by the region's first part
_SUFFIXES = {
    "cn": "amazonaws.com.cn",
    "us-iso": "c2s.ic.gov",
    "us-isob": "sc2s.sgov.gov",
    "us-isof": "csp.hci.ic.gov",
    "eu-isoe": "cloud.adc-e.uk",
}


def xgboost(region: str) -> str:
    """The image's URI. ``SettingsError`` when AWS offers the built-in in no registry of that region."""
    return built_in("xgboost", region)


def built_in(name: str, region: str) -> str:
    """The URI of a built-in algorithm's image. ``SettingsError`` when AWS offers it in no registry of that region."""
    repository, version, group = IMAGES[name]
    accounts = REGISTRIES[group]
    account = accounts.get(region)
    if account is None:
        raise SettingsError(
            "No such image here",
            f"SageMaker's {name} {version} has no image in {region}.",
            f"Deploy the stack in one of these regions: {', '.join(accounts)}.",
        )
    return f"{registry(account, region)}/{repository}:{version}"


def registry(account: str, region: str) -> str:
    """The host of an account's registry."""
    parts = region.split("-")
    suffix = _SUFFIXES.get("-".join(parts[:2])) or _SUFFIXES.get(parts[0]) or "amazonaws.com"
    return f"{account}.dkr.ecr.{region}.{suffix}"
