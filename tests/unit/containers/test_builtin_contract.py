"""What the built-ins take and answer, as the SageMaker Developer Guide has it: settings, channels, formats, models."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from local_region.containers.builtin import artifact, factorization_machines, kmeans, knn, linear_learner, pca, training
from local_region.containers.builtin import random_cut_forest as rcf
from local_region.containers.builtin.algorithm import Algorithm
from local_region.containers.builtin.serving import from_json, from_json_lines
from local_region.containers.common import recordio
from local_region.containers.common.errors import UserError
from local_region.containers.metric_definitions import BUILT_IN
from tests.support.containers import CSV, RECORDIO, Served, csv, lay_out, records, train

LL, KNN, KMEANS, PCA, RCF, FM = (
    module.ALGORITHM for module in (linear_learner, knn, kmeans, pca, rcf, factorization_machines)
)
ALL: tuple[Algorithm, ...] = (LL, KNN, KMEANS, PCA, RCF, FM)
PLAIN = f"{CSV};label_size=0"
X = np.random.default_rng(0).normal(size=(60, 3)).astype("f4")
Y = (X[:, 0] > 0).astype(float)
LEAST: Mapping[str, dict[str, str]] = {
    "linear-learner": {"predictor_type": "binary_classifier"},
    "knn": {"feature_dim": "3", "k": "3", "predictor_type": "classifier", "sample_size": "60"},
    "kmeans": {"feature_dim": "3", "k": "2"},
    "pca": {"feature_dim": "3", "mini_batch_size": "10", "num_components": "2"},
    "randomcutforest": {"feature_dim": "3", "num_trees": "50"},
    "factorization-machines": {"feature_dim": "3", "num_factors": "2", "predictor_type": "binary_classifier"},
}
#: field → is it a list
FIELDS: Mapping[str, tuple[str, dict[str, bool]]] = {
    "linear-learner": ("predictions", {"score": False, "predicted_label": False}),
    "knn": ("predictions", {"predicted_label": False}),
    "kmeans": ("predictions", {"closest_cluster": False, "distance_to_cluster": False}),
    "pca": ("projections", {"projection": True}),
    "randomcutforest": ("scores", {"score": False}),
    "factorization-machines": ("predictions", {"score": False, "predicted_label": False}),
}


def trained(algorithm: Algorithm, base: Path) -> Served:
    return train(algorithm, base, LEAST[algorithm.name], {"train": (RECORDIO, records(Y, X))}, "ShardedByS3Key")


def message(call: Callable[[], Any]) -> str:
    with pytest.raises(UserError) as caught:
        call()
    return str(caught.value)


# -- hyperparameters ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALL, ids=lambda each: each.name)
def test_required_and_unknown_hyperparameters(algorithm: Algorithm) -> None:
    least = LEAST[algorithm.name]
    assert algorithm.validate({**least, "_tuning_objective_metric": "test:msd"})
    for name in algorithm.required:
        rest = {key: value for key, value in least.items() if key != name}
        assert message(partial(algorithm.validate, rest)) == f"Missing required hyperparameter: {name}"
    assert message(lambda: algorithm.validate({**least, "depth": "3"})) == "Extraneous hyperparameter found: depth"
    assert set(algorithm.defaults) <= set(algorithm.hyperparameters)


@pytest.mark.parametrize(
    ("algorithm", "name", "value", "accepted"),
    [
        (LL, "predictor_type", "classifier", "['binary_classifier', 'multiclass_classifier', 'regressor']"),
        (LL, "wd", "-1", "[0, +inf)"),
        (LL, "quantile", "1.5", "[0, 1]"),
        (LL, "loss", "softmax_loss", "['auto', 'logistic', 'hinge_loss'] for binary_classifier"),
        (LL, "positive_example_weight_mult", "0", "(0, +inf)"),
        (LL, "num_classes", "2", "[3, 1000000]"),
        (KNN, "k", "0", "[1, +inf)"),
        (KNN, "index_metric", "L1", "['L2', 'INNER_PRODUCT', 'COSINE']"),
        (KNN, "faiss_index_pq_m", "5", "'96']"),
        (KMEANS, "local_lloyd_tol", "2", "[0, 1]"),
        (KMEANS, "eval_metrics", "[rmse]", "lists of ['msd', 'ssd']"),
        (PCA, "extra_components", "-2", "[-1, +inf)"),
        (RCF, "num_trees", "49", "[50, 1000]"),
        (RCF, "num_samples_per_tree", "2049", "[1, 2048]"),
        (RCF, "feature_dim", "10001", "[1, 10000]"),
        (FM, "predictor_type", "multiclass_classifier", "['binary_classifier', 'regressor']"),
        (FM, "factors_lr", "-0.1", "[0, +inf)"),
    ],
)
def test_values_out_of_range_are_named_with_what_is_accepted(
    algorithm: Algorithm, name: str, value: str, accepted: str
) -> None:
    said = message(lambda: algorithm.validate({**LEAST[algorithm.name], name: value}))
    assert said.startswith(f"Hyperparameter {name}: ") and said.endswith(accepted)


@pytest.mark.parametrize(
    ("algorithm", "more", "said"),
    [
        (LL, {"predictor_type": "multiclass_classifier"}, "Missing required hyperparameter: num_classes"),
        (LL, {"use_bias": "maybe"}, "Hyperparameter use_bias: could not parse value"),
        (KNN, {"dimension_reduction_type": "sign"}, "must be given together"),
        (KNN, {"dimension_reduction_type": "sign", "dimension_reduction_target": "3"}, "must be less than feature_dim"),
        (KNN, {"index_type": "faiss.IVFPQ"}, "Missing required hyperparameter: faiss_index_pq_m"),
        (KNN, {"index_type": "faiss.IVFPQ", "index_metric": "COSINE"}, "is not supported with index_type faiss.IVFPQ"),
        (PCA, {"num_components": "4"}, "num_components (4) must not be greater than feature_dim (3)"),
    ],
)
def test_hyperparameters_that_do_not_fit_together(algorithm: Algorithm, more: dict[str, str], said: str) -> None:
    assert said in message(lambda: algorithm.validate({**LEAST[algorithm.name], **more}))


# -- channels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "channels", "said"),
    [
        (KMEANS, {"test": (PLAIN, csv(None, X))}, "Missing required channel: train"),
        (
            KMEANS,
            {"train": (PLAIN, csv(None, X)), "validation": (PLAIN, csv(None, X))},
            "Extraneous channel found: val",
        ),
        (KMEANS, {"train": ("text/libsvm", b"1 0:1")}, "text/libsvm is not an accepted ContentType"),
        (FM, {"train": (CSV, csv(Y, X))}, f"is not an accepted ContentType: {RECORDIO}."),
        (KMEANS, {"train": (f"{CSV};label_size=2", csv(Y, X))}, "label_size is 2; accepted are 0 and 1"),
        (KMEANS, {"train": (CSV, csv(None, X))}, "The first column of text/csv is the label unless"),
        (KMEANS, {"train": (PLAIN, csv(None, X[:, :2]))}, "feature_dim is 3, but the rows of the train channel have 2"),
        (KMEANS, {"train": (PLAIN, b"1,2,3\n1,,3\n")}, "part-0' line 2 column 2: the value is missing"),
        (KMEANS, {"train": (PLAIN, b"a,b,c\n1,2,3\n")}, "CSV for a built-in algorithm has no header line"),
        (KMEANS, {"train": (PLAIN, csv(None, X[:1]))}, "k=2 takes at least 2 rows; the train channel has 1"),
        (KNN, {"train": (PLAIN, csv(None, X))}, "The train channel has no labels"),
        (LL, {"train": (CSV, csv(Y + 1, X))}, "Labels of the train channel must be 0 or 1"),
        (LL, {"train": (RECORDIO, records(Y, X) + b"\0\0\0\0")}, "record 61"),
        (FM, {"train": (RECORDIO, records(Y + 1, X))}, "Labels of the train channel must be 0 or 1"),
        (FM, {"train": (RECORDIO, records(Y, X * np.nan))}, "values that are missing or infinite"),
    ],
)
def test_channels_that_cannot_be_used(
    tmp_path: Path, algorithm: Algorithm, channels: dict[str, tuple[str, bytes]], said: str
) -> None:
    base = lay_out(tmp_path / "b", LEAST[algorithm.name], channels)
    assert said in message(lambda: training.train(algorithm, base))
    assert not (base / "model/model_algo-1").exists()


def test_random_cut_forest_takes_shards_only(tmp_path: Path) -> None:
    base = lay_out(tmp_path / "b", LEAST["randomcutforest"], {"train": (PLAIN, csv(None, X))}, "FullyReplicated")
    assert message(lambda: training.train(RCF, base)) == (
        "The train channel of randomcutforest takes S3DataDistributionType ShardedByS3Key only."
    )


def test_only_float32_where_the_algorithm_says_so(tmp_path: Path) -> None:
    """A record whose tensor is field 3 of Value (float64) instead of field 2."""
    body = b""
    for row in X[:5].astype(float):
        tensor = b"\x0a\x18" + row.tobytes()
        value = b"\x1a" + bytes([len(tensor)]) + tensor
        entry = b"\x0a\x06values\x12" + bytes([len(value)]) + value
        body += recordio.frame(b"\x0a" + bytes([len(entry)]) + entry)
    train(PCA, tmp_path / "a", LEAST["pca"], {"train": (RECORDIO, body)})
    base = lay_out(tmp_path / "b", LEAST["linear-learner"], {"train": (RECORDIO, body)})
    assert "only Float32 tensors are supported, this one is float64" in message(lambda: training.train(LL, base))


# -- requests and answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALL, ids=lambda each: each.name)
def test_every_request_format_says_the_same_and_every_answer_has_the_documented_fields(
    tmp_path: Path, algorithm: Algorithm
) -> None:
    served = trained(algorithm, tmp_path)
    key, fields = FIELDS[algorithm.name]
    rows = X[:4].tolist()
    plain = {"instances": [{"features": row} for row in rows]}
    nested = {"instances": [{"data": {"features": {"values": row}}} for row in rows]}
    sparse = {
        "instances": [{"data": {"features": {"keys": [2, 0, 1], "shape": [3], "values": [r[2], *r[:2]]}}} for r in rows]
    }
    lines = "".join(json.dumps(instance) + "\n" for instance in [*plain["instances"][:2], *nested["instances"][2:]])
    bodies = [
        (json.dumps(plain).encode(), "application/json"),
        (json.dumps(nested).encode(), "application/json"),
        (json.dumps(sparse).encode(), "application/json"),
        (lines.encode(), "application/jsonlines"),
        (records(None, X[:4]), RECORDIO),
        (records(None, csr_matrix(X[:4])), RECORDIO),
    ]
    if algorithm is not FM:
        bodies.append((csv(None, X[:4]), CSV))
    else:
        assert served.ask(csv(None, X[:4]))[0] == 415
    first = served.json(*bodies[0])
    assert list(first) == [key] and len(first[key]) == 4
    for answer in first[key]:
        assert {name: isinstance(value, list) for name, value in answer.items()} == fields
    for body, content_type in bodies[1:]:
        for ours, theirs in zip(served.json(body, content_type)[key], first[key], strict=True):
            for name in fields:
                np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-5)
    status, body = served.ask(*bodies[0], accept="application/jsonlines")
    assert (status, [json.loads(line) for line in body.splitlines()]) == (200, first[key])
    status, body = served.ask(*bodies[0], accept=RECORDIO)
    length = int.from_bytes(body[4:8], "little")
    assert status == 200 and all(name.encode() in body[8 : 8 + length] for name in fields)


def test_kmeans_answers_csv_and_the_others_do_not(tmp_path: Path) -> None:
    for algorithm in ALL:
        served = trained(algorithm, tmp_path / algorithm.name)
        status, body = served.ask(records(None, X[:2]), RECORDIO, CSV)
        assert status == (200 if algorithm is KMEANS else 406)
        if algorithm is KMEANS:
            answers = served.json(records(None, X[:2]), RECORDIO)["predictions"]
            expected = [f"{a['closest_cluster']},{a['distance_to_cluster']}" for a in answers]
            assert body.decode().splitlines() == expected


@pytest.mark.parametrize(
    ("body", "content_type", "status", "said"),
    [
        (b"", CSV, 204, ""),
        (b"1,2", CSV, 400, "The rows have 2 features, the model was trained on 3"),
        (b"1,,3", CSV, 400, "the value is missing"),
        (b"1,2,3\n1,x,3", CSV, 400, "line 2 column 2: 'x' is not a number"),
        (b"1,2,3,4", f"{CSV};label_size=1", 400, "label_size must be 0"),
        (b"1,2,3", "image/png", 415, "is not an accepted ContentType"),
        (b"{", "application/json", 400, "The request is not JSON"),
        (b"[]", "application/json", 400, "The request must be"),
        (b'{"instances": [{"a": 1}]}', "application/json", 400, "Instance 1 must be"),
        (b'{"instances": [{"features": [1, 2, "x"]}]}', "application/json", 400, "must be lists of numbers"),
        (b'{"instances": [{"features": [1, 2, null]}]}', "application/json", 400, "missing or infinite"),
        (b'{"instances": [{"features": [1,2,3]}, {"features": [1]}]}', "application/json", 400, "Instance 2 has 1"),
        (b'{"features": [1,2,3]}\n{"a"}', "application/jsonlines", 400, "Line 2 is not JSON"),
        (
            b'{"data": {"features": {"keys": [3], "shape": [3], "values": [1]}}}',
            "application/jsonlines",
            400,
            "keys must be a place within shape",
        ),
        (b"abc", RECORDIO, 400, "The request record 1"),
    ],
)
def test_requests_that_cannot_be_read(tmp_path: Path, body: bytes, content_type: str, status: int, said: str) -> None:
    got, answer = trained(KMEANS, tmp_path).ask(body, content_type)
    assert (got, said in answer.decode()) == (status, True), answer


# -- artifacts ---------------------------------------------------------------------------------------------------------


def test_artifacts_hold_plain_arrays_and_are_read_without_running_code(tmp_path: Path) -> None:
    for algorithm in ALL:
        trained(algorithm, tmp_path / algorithm.name)
        with np.load(tmp_path / algorithm.name / "model/model_algo-1", allow_pickle=False) as stored:
            assert {stored[name].dtype.kind for name in stored.files} <= set("fiuU")
            assert json.loads(str(stored["about.json"]))["algorithm"] == algorithm.name


class _Trap:
    def __reduce__(self) -> Any:
        return (Path("/tmp/never-written-by-a-model").touch, ())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps(_Trap()), "cannot be loaded"),
        (b"PK\x03\x04 cut short", "cannot be loaded"),
        (b"", "cannot be loaded"),
        (None, "holds no file model_algo-1"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "model_algo-1").write_bytes(content)
    assert said in message(lambda: artifact.load(tmp_path, KMEANS))
    assert not Path("/tmp/never-written-by-a-model").exists()


def test_pickled_arrays_and_other_algorithms_are_refused(tmp_path: Path) -> None:
    trained(PCA, tmp_path / "pca")
    assert "is a model of pca, not of kmeans" in message(lambda: artifact.load(tmp_path / "pca/model", KMEANS))
    with (tmp_path / "model_algo-1").open("wb") as sink:
        np.savez(sink, trap=np.array([_Trap()], dtype=object))
    assert "cannot be loaded" in message(lambda: artifact.load(tmp_path, KMEANS))
    assert not Path("/tmp/never-written-by-a-model").exists()


def test_a_model_whose_arrays_do_not_fit_is_refused(tmp_path: Path) -> None:
    trained(RCF, tmp_path)
    path = tmp_path / "model/model_algo-1"
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["left"] = arrays["left"] + 10_000_000
    with path.open("wb") as sink:
        np.savez(sink, **arrays)
    assert "a node that is not in the forest" in message(lambda: artifact.load(tmp_path / "model", RCF))


# -- several hosts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("algorithm", ALL, ids=lambda each: each.name)
def test_hosts_with_a_share_each_make_the_model_of_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: Algorithm, sparse: bool
) -> None:
    x = csr_matrix(X) if sparse else X
    whole = tmp_path / "whole"
    train(algorithm, whole, LEAST[algorithm.name], {"train": (RECORDIO, records(Y, x))}, "ShardedByS3Key")
    (tmp_path / "meeting").mkdir()
    monkeypatch.setenv("SAGEMAKER_RENDEZVOUS_DIR", str(tmp_path / "meeting"))
    hosts = ("algo-1", "algo-2", "algo-3")
    parts = {"algo-1": slice(0, 35), "algo-2": slice(35, 60), "algo-3": None}
    for host in reversed(hosts):  # the first waits for the others
        part = parts[host]
        body = [] if part is None else [records(Y[part], x[part])]
        base = lay_out(
            tmp_path / host, LEAST[algorithm.name], {"train": (RECORDIO, body)}, "ShardedByS3Key", hosts, host
        )
        training.train(algorithm, base)
        assert (base / "model/model_algo-1").exists() == (host == "algo-1")
    ours, theirs = (np.load(folder / "model/model_algo-1") for folder in (tmp_path / "algo-1", whole))
    for name in set(theirs.files) - {"about.json"}:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6)


def test_hosts_that_all_have_all_rows_do_not_count_them_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "meeting").mkdir()
    monkeypatch.setenv("SAGEMAKER_RENDEZVOUS_DIR", str(tmp_path / "meeting"))
    for host in ("algo-2", "algo-1"):
        channels = {"train": (PLAIN, csv(None, X))}
        base = lay_out(tmp_path / host, LEAST["kmeans"], channels, "FullyReplicated", ("algo-1", "algo-2"), host)
        training.train(KMEANS, base)
    msd = [line for line in capfd.readouterr().out.splitlines() if "train msd" in line]
    served = Served(KMEANS, tmp_path / "algo-1")
    gaps = [a["distance_to_cluster"] ** 2 for a in served.json(csv(None, X))["predictions"]]
    assert [float(line.rsplit("=")[-1]) for line in msd] == [pytest.approx(np.mean(gaps), rel=1e-4)]


def test_metric_names_are_those_of_the_guide() -> None:
    """The pages "Tune a … Model"."""
    documented = {
        "linear-learner": (
            "absolute_loss binary_classification_accuracy binary_f_beta dcg macro_f_beta macro_precision macro_recall "
            "mse multiclass_accuracy multiclass_top_k_accuracy objective_loss precision recall roc_auc_score"
        ),
        "knn": "accuracy mse",
        "kmeans": "msd ssd",
        "randomcutforest": "f1",
        "factorization-machines": (
            "rmse binary_classification_accuracy binary_classification_cross_entropy binary_f_beta"
        ),
    }
    for algorithm, names in documented.items():
        known = {definition["Name"] for definition in BUILT_IN[algorithm]}
        assert {f"test:{name}" for name in names.split()} <= known
    assert "validation:objective_loss" in {definition["Name"] for definition in BUILT_IN["linear-learner"]}


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (from_json_lines, "\n\n"),
        (from_json, '{"instances": [[[1], [2]]]}'),
        (from_json, '{"instances": [["a", "b"]]}'),
        (from_json, '{"instances": [{"data": {"features": {"values": [1], "keys": [0], "shape": 5}}}]}'),
        (from_json, '{"instances": [{"data": {"features": {"values": [1], "keys": [0], "shape": [1e30]}}}]}'),
        (from_json, '{"instances": [{"data": {"features": {"values": [1], "keys": [0], "shape": [99999999999]}}}]}'),
        (from_json, '{"instances": [{"data": {"features": {"values": [1], "keys": ["0"], "shape": [2]}}}]}'),
        (from_json, '{"instances": [[[1, 2]], {"data": {"features": {"values": [1], "keys": [0]}}}]}'),
        (from_json, '{"instances": [{"data": {"features": {"values": [[1]], "keys": [0]}}}]}'),
    ],
)
def test_a_request_that_is_not_rows_of_numbers_is_the_callers_mistake(read: Any, body: str) -> None:
    with pytest.raises(UserError):
        read(body.encode(), 2)
