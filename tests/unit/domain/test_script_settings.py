"""The keys of scripts and own images: what goes with which, and what of it makes another run."""

from __future__ import annotations

from typing import Any

import pytest

from sluicegate.domain import algorithms, framework_images
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.framework_image_table import IMAGES, REGISTRIES
from sluicegate.domain.schema import Problem
from sluicegate.domain.settings_reader import parse_settings
from tests.support.sdk import image_uris

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{framework: sklearn}", "algorithm.framework: only with algorithm.name script; remove it"),
        (f"{{name: script, image: '{IMAGE}'}}", "algorithm.image: only with algorithm.name image"),
        ("{name: lightgbm, input: raw}", "algorithm.input: only with algorithm.name script or image"),
        ("{name: image}", "algorithm.image: missing; name the URI"),
        ("{name: image, image: 'a b'}", "algorithm.image: given \"a b\": accepted is an image's URI"),
        ("{name: script, framework: tensorflow}", "\"tensorflow\"; accepted is sklearn, xgboost or pytorch"),
        ("{name: script, framework_version: '0.20'}", "version: given '0.20'; accepted for sklearn is 1.2-1, 1.9-0"),
        ("{name: script, entry_point: ../train.py}", "algorithm.entry_point: given \"../train.py\": accepted is a .py"),
        ("{name: script, entry_point: train.sh}", "accepted is a .py file under code/"),
        (f"{{name: image, image: '{IMAGE}', content_type: csv}}", "given \"csv\": accepted is a media type"),
        ("{name: script, hyperparameters: {sagemaker_x: 1}}", "hyperparameters.sagemaker_x: given 1; a name has"),
        ('{name: script, hyperparameters: {a: "1\\n2"}}', "a value has at most 2,500 characters, on one line"),
        ("{name: lightgbm, hyperparameters: {num_leafs: 3}}", "of LightGBM (did you mean num_leaves?)"),
        ("{name: lightgbm, hyperparameters: {num_leaves: 1}}", "accepted is a whole number at least 2 and at most"),
        ("{name: catboost, hyperparameters: {depth: 17}}", "accepted is a whole number at least 1 and at most 16"),
    ],
)  # fmt: skip
def test_mistakes_name_the_key_and_what_is_accepted(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings(f"algorithm: {text}\n")
    assert said in refused.value.detail


def test_what_does_not_fit_the_problem() -> None:
    text = "problem: regression\nalgorithm: {name: lightgbm, hyperparameters: {objective: binary}}\n"
    with pytest.raises(SettingsError, match=r"objective: given .*accepted for a regression problem is regression"):
        parse_settings(text)


def test_keys_that_mean_nothing_change_no_run() -> None:
    plain = parse_settings("").training_fingerprint()
    assert parse_settings("algorithm: {name: xgboost}").training_fingerprint() == plain
    script = parse_settings("algorithm: {name: script}").training_fingerprint()
    assert parse_settings("algorithm: {name: script, framework: xgboost}").training_fingerprint() != script
    assert script != plain


def test_raw_records_are_another_preparation() -> None:
    encoded, raw = (parse_settings(f"algorithm: {{name: script, input: {way}}}") for way in ("encoded", "raw"))
    assert encoded.preparation_fingerprint() != raw.preparation_fingerprint()
    assert algorithms.of(raw).infer_format == "raw"
    assert algorithms.of_lane(algorithms.of(raw).lane()).infer_format == "raw"


def test_an_own_image_speaks_as_it_says() -> None:
    text = f"algorithm: {{name: image, image: '{IMAGE}', content_type: application/x-npy, accept: application/json}}"
    mine = algorithms.of(parse_settings(text))
    lane = algorithms.of_lane(mine.lane())
    assert mine.image("us-east-1") == IMAGE
    assert (lane.content_type("csv"), lane.accept) == ("application/x-npy", "application/json")


@pytest.mark.parametrize("name", ["lightgbm", "catboost"])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_ready_made_defaults_are_what_their_own_rules_accept(name: str, kind: Any) -> None:
    algorithm = algorithms.named(name)
    problem = Problem(kind, () if kind == "regression" else ("a", "b") if kind == "binary" else ("a", "b", "c"))
    found = algorithm.hyperparameters(parse_settings(f"algorithm: {{name: {name}}}"), problem, {"train": 100}, 5)
    rules = algorithm.rules()
    assert {key: rules[key].problem(value) for key, value in found.items() if key in rules} == {
        key: None for key in found if key in rules
    }
    assert algorithm.problem_mistakes(found, kind) == {}


def test_the_table_of_framework_images_is_the_sdks() -> None:
    for framework, versions in IMAGES.items():
        listed: Any = image_uris().config_for_framework(framework)
        for version, scopes in versions.items():
            for scope, (_, tag, place) in zip(("training", "inference"), scopes, strict=True):
                assert REGISTRIES[place] == listed[scope]["versions"][version]["registries"]
                kind: dict[str, Any] = {} if framework == "xgboost" else {"instance_type": "ml.m5.large"}
                if framework == "pytorch":
                    kind["py_version"] = tag.rpartition("-")[2]
                make = framework_images.training if scope == "training" else framework_images.serving
                for region in ("eu-west-1", "cn-north-1"):
                    named = image_uris().retrieve(framework, region, version=version, image_scope=scope, **kind)
                    assert make(framework, version, region) == named


def test_a_region_without_the_image_is_refused_with_those_that_have_it() -> None:
    with pytest.raises(SettingsError, match="us-east-1") as refused:
        framework_images.training("pytorch", "2.6.0", "mars-north-1")
    assert "mars-north-1" in refused.value.detail
