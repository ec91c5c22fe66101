"""``training.count``: a file of the data set for each instance; what trains on one only is refused before."""

from __future__ import annotations

import pytest

from sluicegate.domain.errors import SettingsError
from sluicegate.domain.settings_reader import parse_settings
from tests.support.flow import Flow, table


def test_each_instance_has_a_share_of_the_rows_and_all_see_the_validation_rows() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"training: {count: 3}\n")
    flow.put("data/churn/a.csv", table(400))
    flow.play()
    (spec,) = flow.jobs.training.values()
    assert (spec.instance_count, spec.distributions) == (3, ("ShardedByS3Key", "FullyReplicated"))
    prefix = spec.train_uri.removeprefix("s3://data/")
    shares = {key: body for key, body in flow.storage.objects.items() if key.startswith(prefix)}
    assert sorted(key.rsplit("/", 1)[-1] for key in shares) == [f"part-0000{number}.csv" for number in range(3)]
    rows = [body.decode().count("\n") for body in shares.values()]
    run = flow.registry.run("churn", flow.registry.model("churn")["last_run"])
    assert sum(rows) == run["rows"]["train"] and min(rows) > 0.8 * max(rows)
    assert flow.registry.model("churn")["live_version"] == 1


def test_one_instance_is_as_before() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    (spec,) = flow.jobs.training.values()
    assert (spec.instance_count, spec.distributions) == (1, ("FullyReplicated", "FullyReplicated"))


@pytest.mark.parametrize("given", ["booster: gblinear", "tree_method: exact", "updater: grow_colmaker"])
def test_what_trains_on_one_instance_only_is_refused_with_more(given: str) -> None:
    text = f"algorithm: {{hyperparameters: {{{given}}}}}\ntraining: {{count: %s}}\n"
    parse_settings(text % 1)
    with pytest.raises(SettingsError) as caught:
        parse_settings(text % 2)
    assert f"training.count: given 2; accepted with {given.replace(':', '')} is 1" in caught.value.detail
