"""Which instance types SageMaker takes for what: the lists for training, transform jobs and endpoints differ.

>>> for_preparing(3 << 30), for_preparing(20 << 30), for_preparing(100 << 30)
('ml.m5.xlarge', 'ml.m5.2xlarge', 'ml.r5.8xlarge')

>>> for_predicting("ml.m5.xlarge"), for_predicting("ml.r5.xlarge")
('ml.m5.xlarge', 'ml.m5.large')
"""

from __future__ import annotations

#: families with transform instances, each in all sizes that train (``TransformInstanceType`` of SageMaker's API)
_TRANSFORM = frozenset(
    {"c4", "c5", "c6i", "c7i", "g4dn", "g5", "g6", "g6e", "inf2", "m4", "m5", "m6i", "m7i"}
    | {"p2", "p3", "r6i", "r7i", "trn1"}
)
#: batches of 6 MB and a model of some MB fit the smallest
_USUAL = "ml.m5.large"


def for_predicting(training: str) -> str:
    """The instance type for transform jobs of a model that was trained on ``training``: the same, or one that there
    is. A quota or a region may have been the reason for ``training``, so it is kept wherever it can be."""
    return training if training.split(".")[1] in _TRANSFORM else _USUAL


#: by the most bytes of Parquet that one prepares. DuckDB spills what its memory (16, 32 and 256 GB) doesn't hold
_PREPARING = ((8 << 30, "ml.m5.xlarge"), (32 << 30, "ml.m5.2xlarge"))
_PREPARING_MORE = "ml.r5.8xlarge"


def for_preparing(size: int) -> str:
    """The instance type for a processing job over ``size`` bytes of accepted rows."""
    return next((instance for most, instance in _PREPARING if size <= most), _PREPARING_MORE)
