"""The container image of SageMaker's built-in XGBoost in a region.

>>> xgboost("us-east-1")
'683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5'
>>> xgboost("cn-north-1")
'450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-xgboost:3.0-5'
"""

from __future__ import annotations

from sluicegate.domain.errors import SettingsError
from sluicegate.domain.image_table import ACCOUNTS, REPOSITORY, VERSION

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
    account = ACCOUNTS.get(region)
    if account is None:
        raise SettingsError(
            "No XGBoost here",
            f"SageMaker's XGBoost {VERSION} has no image in {region}.",
            f"Deploy the stack in one of these regions: {', '.join(ACCOUNTS)}.",
        )
    parts = region.split("-")
    suffix = _SUFFIXES.get("-".join(parts[:2])) or _SUFFIXES.get(parts[0]) or "amazonaws.com"
    return f"{account}.dkr.ecr.{region}.{suffix}/{REPOSITORY}:{VERSION}"
