"""Data sets: splits, files, the champion's encoding, and every reason to refuse."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import pytest

from sluicegate.data import features
from sluicegate.data.build import DatasetBuild, build_dataset, dataset_json
from sluicegate.data.ingest import read_upload
from sluicegate.domain.algorithms.kmeans import KMeans
from sluicegate.domain.dataset import Wires, read_dataset_json
from sluicegate.domain.errors import UnusableData
from sluicegate.domain.schema import Problem, Schema
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.split import split_of

Build = Callable[..., DatasetBuild]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def call(
        *contents: str, champion: DatasetBuild | None = None, keep_schema: bool = True, **given: Any
    ) -> DatasetBuild:
        settings = ModelSettings.model_validate(given)
        parts: list[Path] = []
        known: Schema | None = None
        for index, content in enumerate(contents):
            source = tmp_path / f"{index}.csv"
            source.write_text(content)
            reading = read_upload(
                source,
                key=f"data/m/{index}.csv",
                settings=settings,
                known=known,
                workdir=tmp_path / f"read{index}",
                memory_limit_mb=200,
            )
            known = reading.schema if keep_schema else None
            parts.append(reading.parquet)
        return build_dataset(
            parts,
            settings=settings,
            champion=read_dataset_json(dataset_json(champion, [], "champion")) if champion else None,
            known_target=known.target if known else None,
            workdir=tmp_path / "build",
            memory_limit_mb=200,
        )

    return call


def customers(count: int, start: int = 0, *, header: str = "id,age,plan,active,since,churned") -> str:
    chosen = random.Random(start)
    lines = [header]
    for index in range(start, start + count):
        plan = chosen.choice(["free", "pro", "", "team"])
        lines.append(
            f"c{index},{chosen.randint(18, 90)},{plan},{chosen.choice(['true', 'false'])},"
            f"2025-0{chosen.randint(1, 9)}-11,{chosen.choice(['no', 'yes'])}"
        )
    return "\n".join(lines) + "\n"


def table(build: DatasetBuild, folder: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.genfromtxt(build.files[folder][0], delimiter=",", ndmin=2)


def test_a_data_set(build: Build) -> None:
    made = build(customers(1_000), id_column="id")
    assert made.problem.classes == ("no", "yes") and made.problem.positive == "yes"
    assert made.schema.target == "churned" and made.schema.id_column == "id"
    assert made.schema.names == ("age", "plan", "active", "since")
    plan = made.schema.column("plan")
    assert plan is not None and plan.categories == ("free", "pro", "team")
    assert sum(made.counts.values()) == 1_000 and min(made.counts.values()) > 100
    width = len(made.encoder.feature_names)
    assert table(made, "train").shape == (made.counts["train"], width + 1)
    assert table(made, "validation").shape == (made.counts["validation"], width + 1)
    assert table(made, "holdout").shape == (made.counts["holdout"], width)
    assert table(made, "holdout-labels").shape == (made.counts["holdout"], 1)
    assert set(np.unique(table(made, "train")[:, 0])) == {0.0, 1.0}


def test_each_row_lands_in_its_split_encoded_with_its_own_label(build: Build) -> None:
    """Against the definition, row by row, so that no join can have slipped."""
    content = customers(3_000)
    made = build(content, id_column="id")
    expected: dict[str, list[str]] = {"train": [], "validation": [], "holdout": []}
    labels: list[str] = []
    for line in content.splitlines()[1:]:
        key, age, plan, active, since, churned = line.split(",")
        values = {"age": float(age), "plan": plan or None, "active": active == "true", "since": since}
        split = split_of(key, 0.15, 0.15)
        label = str(("no", "yes").index(churned))
        encoded = made.encoder.encode_csv(values)
        expected[split].append(encoded if split == "holdout" else f"{label},{encoded}")
        if split == "holdout":
            labels.append(label)
    for folder, wanted in expected.items():
        assert made.files[folder][0].read_text().splitlines() == wanted
    assert made.files["holdout-labels"][0].read_text().splitlines() == labels


@pytest.mark.parametrize("id_column", ["id", None])
def test_no_row_moves_when_data_grows(build: Build, id_column: str | None) -> None:
    """Later uploads bring rows, a column and missing columns; earlier holdout rows stay holdout, in place."""
    first, second = (
        customers(600),
        "id,age,plan,churned,extra\n"
        + "".join(f"n{i},{i % 70},pro,{'yes' if i % 3 else 'no'},{i}\n" for i in range(400)),
    )
    features = {"exclude": ["id"]}
    before = build(first, id_column=id_column, features=features, target="churned")
    ages = [line.split(",")[0] for line in before.files["holdout"][0].read_text().splitlines()]
    after = build(first, second, id_column=id_column, features=features, target="churned")
    assert sum(after.counts.values()) == 1_000
    later = [line.split(",")[0] for line in after.files["holdout"][0].read_text().splitlines()]
    assert later[: len(ages)] == ages
    assert after.counts["holdout"] > before.counts["holdout"]
    assert after.encoder.feature_names[-1] == "extra"


def test_the_champions_encoding_of_the_same_holdout(build: Build) -> None:
    serving = build(customers(300), id_column="id")
    champion = serving.encoder
    more = customers(300) + "".join(
        f"d{i},{i % 50},new-plan,true,2025-01-01,{'yes' if i % 2 else 'no'}\n" for i in range(300)
    )
    made = build(more, id_column="id", champion=serving)
    theirs, ours = table(made, "champion-holdout"), table(made, "holdout")
    assert theirs.shape == (made.counts["holdout"], len(champion.feature_names))
    assert np.array_equal(theirs[:, 0], ours[:, 0])  # age
    other = champion.feature_names.index("plan=(other)")
    new = made.encoder.feature_names.index("plan=new-plan")
    assert np.array_equal(theirs[:, other], ours[:, new])


def test_a_champion_with_columns_that_are_gone_or_changed_type(build: Build) -> None:
    serving = build(customers(200), id_column="id")
    champion = serving.encoder
    content = "id,age,since,churned\n" + "".join(
        f"x{i},{'young' if i % 2 else i},nonsense {i % 4},{'yes' if i % 3 else 'no'}\n" for i in range(300)
    )
    made = build(content, id_column="id", champion=serving)
    theirs = table(made, "champion-holdout")
    assert theirs.shape == (made.counts["holdout"], len(champion.feature_names))
    since = champion.feature_names.index("since.days")
    assert np.isnan(theirs[:, since]).all()
    assert 0 < np.isnan(theirs[:, 0]).sum() < len(theirs)


def test_uploads_that_disagree_about_a_type_meet_as_categories(build: Build) -> None:
    one = "x,y\n" + "".join(f"{i % 5},{'a' if i % 2 else 'b'}\n" for i in range(100))
    two = "x,y\n" + "".join(f"v{i % 5},{'a' if i % 3 else 'b'}\n" for i in range(100))
    made = build(one, two, keep_schema=False)
    x = made.schema.column("x")
    assert x is not None and x.type == "category" and x.categories is not None
    assert "0" in x.categories and "v4" in x.categories
    assert any("different uploads" in note for note in made.notes)


@pytest.mark.parametrize(
    ("values", "settings", "kind", "classes"),
    [
        (lambda i: i % 2, {}, "binary", ("0", "1")),
        (lambda i: i % 3, {}, "multiclass", ("0", "1", "2")),
        (lambda i: i % 3, {"problem": "regression"}, "regression", ()),
        (lambda i: i / 7, {}, "regression", ()),
        (lambda i: i % 40, {}, "regression", ()),
        (lambda i: ["Yes", "No"][i % 2], {}, "binary", ("No", "Yes")),
        (lambda i: ["Yes", "No"][i % 2], {"positive_class": "no"}, "binary", ("Yes", "No")),
        (lambda i: ["true", "false"][i % 2], {"positive_class": False}, "binary", ("true", "false")),
        (lambda i: [1, 2][i % 2], {"positive_class": 1}, "binary", ("2", "1")),
        (lambda i: "abc"[i % 3], {}, "multiclass", ("a", "b", "c")),
    ],
)
def test_the_problem_is_inferred(
    build: Build, values: Callable[[int], Any], settings: dict[str, Any], kind: str, classes: tuple[str, ...]
) -> None:
    content = "x,target,z\n" + "".join(f"{i % 17},{values(i)},{i % 5}\n" for i in range(600))
    made = build(content, **settings)
    assert (made.problem.kind, made.problem.classes) == (kind, classes)
    if kind == "regression":
        trained = [float(line.split(",")[0]) for line in made.files["train"][0].read_text().splitlines()]
        assert made.profile["target"] == pytest.approx({"mean": fmean(trained), "median": median(trained)})
    else:
        assert made.profile["target"] is None


def repeated(line: str, count: int = 100) -> str:
    return "x,y\n" + "".join(line.format(i=i, half=i % 2) + "\n" for i in range(count))


@pytest.mark.parametrize(
    ("content", "settings", "title", "said"),
    [
        (repeated("{i},{half}"), {"target": "z"}, "No such target", "x, y"),
        (repeated("{i},{half}"), {"target": "yy"}, "No such target", "Did you mean 'y'?"),
        (repeated("{i},{half}"), {"id_column": "z"}, "No such id column", "'z'"),
        ("x,target\n" + "1,2\n" * 100, {"id_column": "target"}, "The target is the id", "both"),
        (repeated("{i},"), {"target": "y"}, "No labels", "all 100 rows"),
        (repeated("{i},1"), {}, "Only one class", "'1'"),
        (repeated("{i},2.5"), {"problem": "regression"}, "Only one value", "nothing to learn"),
        (repeated("{i},{half}", 1), {}, "Too few rows", "at least 50"),
        (repeated("{i},{half}", 49), {}, "Too few rows", "at least 50"),
        (repeated("{i},v{i}", 300), {}, "Too many classes", "at most 100"),
        (repeated("{i},v{i}", 120), {}, "Too many classes", "at most 100"),
        (repeated("{i},v{half}"), {"problem": "regression"}, "The target is not a number", "v"),
        (repeated("{i},{i}"), {"problem": "binary"}, "Not two classes", "binary"),
        (repeated("{i},{half}"), {"positive_class": "maybe"}, "No such class", "0 and 1"),
        (repeated("7,{half}"), {}, "No features", "same value in every row"),
        (repeated("name {i},{half}"), {}, "No features", "like an id or free text"),
        (repeated("{i},0") + "7,1\n", {}, "Too few rows of a class", "'1'"),
    ],
)
def test_data_that_can_not_train(build: Build, content: str, settings: dict[str, Any], title: str, said: str) -> None:
    with pytest.raises(UnusableData) as caught:
        build(content, **settings)
    assert caught.value.title == title and said in caught.value.detail and caught.value.remedy


def test_rows_without_a_label_and_useless_columns_are_left_out_with_a_note(build: Build) -> None:
    content = "row_id,same,empty,text,x,y\n" + "".join(
        f"{i},7,,text number {i},{i % 13},{'' if i % 10 == 0 else i % 2}\n" for i in range(500)
    )
    made = build(content)
    assert sum(made.counts.values()) == 450
    assert made.schema.names == ("x",) and set(made.schema.ignored) == {"row_id", "same", "empty", "text"}
    joined = "\n".join(made.notes)
    useless = [f"{name} is not used" for name in ("same", "empty", "text", "row_id")]
    for said in ("50 rows have no value", *useless):
        assert said in joined


def test_many_categories_are_hashed_and_long_ones_have_no_column(build: Build) -> None:
    content = "city,kind,y\n" + "".join(
        f"city {i % 300},{'k' * 500 if i % 3 else 'short'},{i % 2}\n" for i in range(3_000)
    )
    made = build(content)
    kinds = {block.column: block.kind for block in made.encoder.blocks}
    assert kinds == {"city": "hashed", "kind": "one_hot"}
    assert "kind=short" in made.encoder.feature_names and max(map(len, made.encoder.feature_names)) < 300
    assert table(made, "train")[:, 1:].sum(axis=1).tolist() == [2.0] * made.counts["train"]


def test_categories_are_looked_up_a_part_of_the_columns_at_a_time(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_CATEGORIES_AT_ONCE", 2)
    rows = "".join(
        f"{','.join(f'{name}{i % (k + 2)}' for k, name in enumerate('abcde'))},{i % 2}\n" for i in range(300)
    )
    made = build("a,b,c,d,e,y\n" + rows)
    found = {column.name: len(column.categories or ()) for column in made.schema.columns}
    assert found == {"a": 2, "b": 3, "c": 4, "d": 5, "e": 6}


def test_a_category_that_is_only_there_or_missing_is_a_feature(build: Build) -> None:
    made = build("flag,x,y\n" + "".join(f"{'set' if i % 3 else ''},{i % 97},{i % 2}\n" for i in range(300)))
    assert "flag=set" in made.encoder.feature_names


def test_dataset_json_goes_round(build: Build) -> None:
    made = build(customers(200), id_column="id")
    document = json.loads(json.dumps(dataset_json(made, ["b", "a"], "0123456789ab"), allow_nan=False))
    again = read_dataset_json(document)
    assert (again.schema, again.encoder, again.problem) == (made.schema, made.encoder, made.problem)
    assert again.uploads == ("a", "b") and again.version == "0123456789ab" and again.counts == made.counts
    assert again.parts["train"] == ["train/part-00000.csv"]
    with pytest.raises(ValueError, match="format"):
        read_dataset_json({**document, "format": 9})


def test_xgboost_reads_what_we_write(build: Build) -> None:
    """Empty fields are missing for the same library that trains on SageMaker."""
    xgboost = pytest.importorskip("xgboost")
    made = build(customers(400), id_column="id")
    matrix = xgboost.DMatrix(f"{made.files['train'][0]}?format=csv&label_column=0&delimiter=,")
    assert matrix.num_row() == made.counts["train"] and matrix.num_col() == len(made.encoder.feature_names)
    assert set(matrix.get_label()) == {0.0, 1.0}


def test_what_callers_must_send_never_grows(build: Build) -> None:
    """A column that comes later is optional, in every version after it too; an id stays one while uploads overlap."""
    first = build(customers(300))
    assert first.schema.ignored == ("id",)
    assert not any(column.optional for column in first.schema.columns)

    more = customers(300, header="id,age,plan,active,since,churned").splitlines()
    wider = "\n".join(
        [f"{more[0]},region", *(f"{line},{'north' if i % 3 else 'south'}" for i, line in enumerate(more[1:]))]
    )
    second = build(customers(300), wider, customers(50, start=250), champion=first)
    assert "id" in second.schema.ignored
    assert [column.name for column in second.schema.columns if column.optional] == ["region"]

    third = build(customers(300), wider, champion=second)
    assert [column.name for column in third.schema.columns if column.optional] == ["region"]


def test_a_column_whose_type_is_changed_moves_no_row(build: Build) -> None:
    """Else rows that the live version learned from would judge it."""
    text = "zip,day,x,won\n" + "".join(
        f"{1000 + n % 37},2026-01-{n % 28 + 1:02d},{n / 7},{'yes' if n % 3 else 'no'}\n" for n in range(300)
    )
    before = build(text)
    # the same rows, read as text now
    again = build(text, features={"types": {"zip": "category", "day": "category", "x": "category"}})
    assert before.files["holdout-labels"][0].read_text() == again.files["holdout-labels"][0].read_text()


def test_a_mistyped_label_does_not_change_the_kind_of_problem(build: Build) -> None:
    first = build(customers(300), id_column="id")
    mistyped = customers(300).rstrip("\n") + "\n" + "\n".join(f"x{n},40,pro,true,2025-01-11,yess" for n in range(40))
    with pytest.raises(UnusableData, match=r"binary.*'yess'.*multiclass") as refused:
        build(mistyped, id_column="id", champion=first)
    assert "problem: multiclass" in refused.value.remedy
    meant = build(mistyped, id_column="id", champion=first, problem="multiclass")
    assert meant.problem.classes == ("no", "yes", "yess")


class _Clusters(KMeans):
    """Learns without a target, knows no missing values, and here reads protobuf."""

    train_format = infer_format = "recordio"


def test_without_a_target(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every column is a feature, numbers are scaled, nothing is labelled; more machines get more files."""
    monkeypatch.setattr("sluicegate.domain.algorithms.of", lambda _: _Clusters())
    made = build(customers(600), id_column="id")
    assert made.problem.kind == "clustering" and made.schema.target is None
    assert made.schema.names == ("age", "plan", "active", "since", "churned")
    assert set(made.files) == {"train", "validation", "holdout"}
    assert made.wire == Wires("recordio", "recordio") and made.files["train"][0].name == "part-00000.pbr"
    age = np.frombuffer(made.files["train"][0].read_bytes(), "<f4").reshape(made.counts["train"], -1)
    assert np.isfinite(age).any()
    scaled = [made.encoder.encode({"age": float(years)})[0] for years in range(18, 91)]
    assert scaled[0] is not None and scaled[-1] is not None and -2 < scaled[0] < -1.5 and 1.5 < scaled[-1] < 2
    missing = made.encoder.encode({})[0]
    assert missing is not None and abs(missing) < 0.2  # the median
    again = read_dataset_json(dataset_json(made, [], "v"))
    assert again.wire == made.wire and again.encoder == made.encoder


def test_a_target_that_is_only_judged_by(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluicegate.domain.algorithms.of", lambda _: _Clusters())
    lines = customers(600).splitlines()
    lines[5] = lines[5].rpartition(",")[0] + ","  # one row without it still counts
    made = build("\n".join(lines), id_column="id", target="churned")
    assert sum(made.counts.values()) == 600 and "churned" not in made.schema.names
    labels = made.files["holdout-labels"][0].read_text().splitlines()
    assert len(labels) == made.counts["holdout"] and set(labels) <= {"0", "1", ""}
    assert made.problem.classes == ("no", "yes") and made.profile["unlabelled"] == 1
    with pytest.raises(UnusableData, match=r"'chrned' as target.*Did you mean 'churned'"):
        build(customers(600), target="chrned")


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_as_many_files_as_machines(build: Build, parts: int) -> None:
    training = ModelSettings().training.model_copy(update={"count": parts})
    made = build(customers(600), id_column="id", training=training)
    assert [len(made.files[folder]) for folder in ("train", "validation", "holdout")] == [parts, parts, 1]
    rows = sum(file.read_text().count("\n") for file in made.files["train"])
    assert rows == made.counts["train"]


def points(count: int, *, extra: str = "") -> str:
    chosen = random.Random(7)
    lines = ["x,y,kind,split,label" if extra else "x,y,kind,split"]
    for index in range(count):
        odd = index % 50 == 0
        x = "" if index % 9 == 0 else f"{chosen.gauss(90 if odd else 10, 2):.3f}"
        line = f"{x},{chosen.gauss(0, 1):.4f},{chosen.choice('ab')},{chosen.randint(0, 3)}"
        lines.append(f"{line},{extra if odd else 'fine'}" if extra else line)
    return "\n".join(lines) + "\n"


def test_without_a_target_every_column_is_a_feature_filled_and_scaled(build: Build) -> None:
    made = build(points(600), algorithm={"name": "kmeans"})
    assert made.problem == Problem("clustering") and made.schema.target is None
    assert made.encoder.feature_names[:2] == ["x", "x=(missing)"]
    train = table(made, "train")
    assert train.shape == (made.counts["train"], len(made.encoder.feature_names))
    assert np.isfinite(train).all() and abs(train[:, 2].mean()) < 1e-3
    assert train[:, 2].std() == pytest.approx(1, abs=1e-3) and 0 < train[:, 1].mean() < 0.2


def test_a_column_that_says_what_is_anomalous_is_judged_by_and_not_learned_from(build: Build) -> None:
    given: dict[str, Any] = {"algorithm": {"name": "randomcutforest"}, "positive_class": "odd"}
    made = build(points(2_000, extra="odd"), target="label", **given)
    width = len(made.encoder.feature_names)
    assert made.problem.kind == "anomaly" and made.problem.classes == ("fine", "odd")
    assert "label" not in made.schema.names
    assert table(made, "train").shape[1] == table(made, "validation").shape[1] == width
    assert set(np.unique(table(made, "holdout-labels"))) == {0.0, 1.0}
    with pytest.raises(UnusableData, match="whether it is anomalous"):
        build(points(600), target="split", **given)


def test_columns_may_be_named_as_ours_are(build: Build) -> None:
    made = build(points(900, extra="odd"), target="label")
    assert made.problem.classes == ("fine", "odd") and "split" in made.schema.names
    assert table(made, "train").shape[1] == len(made.encoder.feature_names) + 1


def test_a_label_that_is_a_feature_is_told(build: Build) -> None:
    made = build(points(600, extra="odd"), algorithm={"name": "pca"})
    assert made.schema.names == ("x", "y", "kind", "split", "label")
    assert any("label is a feature" in note for note in made.notes)


def test_a_number_to_predict(build: Build) -> None:
    """The profile says what its training rows hold; columns named like ours are the data's own."""
    content = "split,label,x,price\n" + "".join(f"{i % 5},{i % 7},{i % 9},{i * 1.5}\n" for i in range(400))
    made = build(content, target="price")
    assert made.problem.kind == "regression" and made.schema.names == ("split", "label", "x")
    learned = table(made, "train")[:, 0]
    typical = made.profile["target"]
    assert np.isclose(typical["mean"], learned.mean()) and np.isclose(typical["median"], np.median(learned))


def test_columns_that_came_and_went_since_the_live_version_are_told(build: Build) -> None:
    serving = build(customers(300), id_column="id")
    content = "id,age,active,region,churned\n" + "".join(
        f"c{i},{20 + i % 60},{'true' if i % 2 else 'false'},r{i % 4},{'yes' if i % 3 else 'no'}\n" for i in range(300)
    )
    notes = " ".join(build(content, id_column="id", champion=serving, features={"exclude": ["active"]}).notes)
    assert "New since the version that serves: region. Callers may leave them out." in notes
    assert "No upload has these columns of the version that serves: plan, since." in notes
    assert "The version that serves uses these columns, this one doesn't: active." in notes
