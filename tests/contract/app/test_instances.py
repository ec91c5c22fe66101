"""Instance types against SageMaker's own lists."""

from __future__ import annotations

import botocore.session

from sluicegate.domain.instances import for_predicting


def test_whatever_trains_is_predicted_with_on_something_that_there_is() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    training, transform, serving = (
        set(model.shape_for(name).enum)  # type: ignore[attr-defined]
        for name in ("TrainingInstanceType", "TransformInstanceType", "ProductionVariantInstanceType")
    )
    assert "ml.r5.xlarge" in training - transform
    for instance in training:
        assert for_predicting(instance) in transform & serving, instance
        assert instance not in transform or for_predicting(instance) == instance
