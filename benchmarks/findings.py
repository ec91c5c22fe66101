"""What data sets are told of (docs/decisions/0063): honest ones that come with scikit-learn or are made here, and the
same with one planted fault each. ``--tables FOLDER``: every CSV file below it, three columns of each as the target in
turn, for how often anything is told of tables that nobody prepared for this.

    python benchmarks/findings.py
"""

from __future__ import annotations

import argparse
import collections
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "layers" / "core" / "src"))

from sluicegate.data.build import build_dataset  # noqa: E402
from sluicegate.data.ingest import read_upload  # noqa: E402
from sluicegate.domain.errors import UserError  # noqa: E402
from sluicegate.domain.settings import ModelSettings  # noqa: E402

Found = list[dict[str, Any]]
#: name, table, settings, the kinds that are right to be told
Case = tuple[str, pd.DataFrame, dict[str, Any], set[str]]
_MEMORY_MB = 400
_MOST_ROWS = 20_000


def findings(frame: pd.DataFrame, **settings: Any) -> Found:
    """As a run would be told of these rows."""
    with tempfile.TemporaryDirectory(prefix="findings-") as folder:
        workdir, given = Path(folder), ModelSettings.model_validate(settings)
        frame.to_csv(workdir / "rows.csv", index=False)
        reading = read_upload(
            workdir / "rows.csv",
            key="data/m/rows.csv",
            settings=given,
            known=None,
            workdir=workdir / "read",
            memory_limit_mb=_MEMORY_MB,
        )
        made = build_dataset(
            [reading.parquet],
            settings=given,
            champion=None,
            workdir=workdir / "build",
            memory_limit_mb=_MEMORY_MB,
        )
        found: Found = made.profile["findings"]
        return found


def of_scikit_learn() -> Iterator[Case]:
    from sklearn import datasets

    for name, right in (("breast_cancer", None), ("wine", "few_held_out"), ("diabetes", None), ("digits", None)):
        yield name, getattr(datasets, f"load_{name}")(as_frame=True).frame, {}, {right} if right else set()
    iris = datasets.load_iris(as_frame=True).frame
    yield "iris, three species of 50", iris, {}, {"few_held_out"}
    setosa = iris.assign(target=np.where(iris["target"] == 0, "setosa", "other"))
    yield "iris, setosa or not: petals separate it honestly", setosa, {}, {"predicts_target"}
    for name in ("make_moons", "make_circles"):
        points, labels = getattr(datasets, name)(2_000, noise=0.1, random_state=1)
        yield name, pd.DataFrame(points, columns=["a", "b"]).assign(y=labels), {}, set()
    points, labels = datasets.make_classification(3_000, 40, n_informative=8, class_sep=2, random_state=1)
    yield "make_classification, well apart", pd.DataFrame(points).add_prefix("f").assign(y=labels), {}, set()
    points, numbers = datasets.make_friedman1(3_000, noise=0.5, random_state=1)
    yield "make_friedman1", pd.DataFrame(points).add_prefix("f").assign(y=numbers), {}, set()


def customers(rows: int, share: float, seed: int = 1) -> pd.DataFrame:
    """Who left, from columns that tell something of it but not all."""
    chosen = np.random.default_rng(seed)
    left = chosen.random(rows) < share
    return pd.DataFrame(
        {
            "id": [f"k{index}" for index in range(rows)],
            "age": np.round(chosen.normal(40 + 6 * left, 9), 1),
            "months": chosen.integers(1, 80, rows) - 20 * left,
            "plan": np.where(
                left & (chosen.random(rows) < 0.4), "basic", chosen.choice(["basic", "plus", "pro"], rows)
            ),
            "city": [f"city-{index}" for index in chosen.zipf(1.3, rows) % 3_000],
            "spent": np.where(chosen.random(rows) < 0.1, np.nan, np.round(chosen.lognormal(3, 1.5, rows), 2)),
            "since": pd.to_datetime("2020-01-01") + pd.to_timedelta(chosen.integers(0, 2_000, rows), unit="D"),
            "left": np.where(left, "yes", "no"),
        }
    )


def made() -> Iterator[Case]:
    keyed = {"id_column": "id"}
    for rows, share in ((120, 0.5), (400, 0.5), (5_000, 0.3), (5_000, 0.02), (40_000, 0.005)):
        yield f"customers, {rows:,} rows, {100 * share:g} % left", customers(rows, share), keyed, set()
    yield "customers, an id that nobody declared", customers(5_000, 0.3).rename(columns={"id": "who"}), {}, set()
    noise = np.random.default_rng(2)
    wide = pd.DataFrame(noise.normal(size=(200, 500))).add_prefix("n").round(3).assign(y=noise.integers(0, 2, 200))
    yield "noise, 200 rows of 500 numbers", wide, {}, set()
    holes = wide.mask(noise.random(wide.shape) < 0.05).assign(y=wide["y"])
    yield "noise, 5 % of all cells missing", holes, {}, set()
    rare = holes.assign(y=(np.arange(200) % 6 == 0).astype(int))
    yield "noise, 5 % missing, a class of 34 rows", rare, {}, set()
    names = pd.DataFrame({f"c{i}": [f"v{v}" for v in noise.integers(0, 60, 2_000)] for i in range(30)})
    yield "noise, 30 columns of 60 categories", names.assign(y=noise.choice(["p", "q"], 2_000)), {}, set()
    small = pd.DataFrame({name: noise.choice(list("abc"), 2_000) for name in ("k1", "k2", "k3", "k4", "k5")})
    guess = np.where((small["k1"] == "a") ^ (noise.random(2_000) < 0.03), "p", "q")
    small.insert(0, "id", [f"r{index}" for index in range(2_000)])
    yield (
        "five categories of three values: rows repeat by chance",
        small.assign(y=guess),
        keyed,
        {"contradicting_labels"},
    )
    years = pd.DataFrame({"month": pd.date_range("1990-01-01", periods=400, freq="MS"), "a": noise.normal(size=400)})
    yield "a series of months", years.assign(y=noise.normal(size=400).cumsum()), {}, set()


def planted() -> Iterator[Case]:
    chosen, keyed = np.random.default_rng(3), {"id_column": "id"}
    base = customers(5_000, 0.3)
    left, rows = base["left"] == "yes", len(base)

    def case(name: str, right: str, **columns: Any) -> Case:
        return name, base.drop(columns="left").assign(**columns, left=base["left"]), keyed, {right}

    def when(wanted: Any, start: str = "2026-01-01") -> Any:
        days = pd.to_datetime(start) + pd.to_timedelta(chosen.integers(0, 28, rows), unit="D")
        return pd.Series(days).where(pd.Series(np.asarray(wanted)))

    flipped = np.where(chosen.random(rows) < 0.005, ~left, left)
    yield case("a copy of the label", "predicts_target", status=np.where(left, "gone", "active"))
    yield case("a copy, 0.5 % wrong", "predicts_target", status=np.where(flipped, "gone", "active"))
    wrong = np.where(chosen.random(rows) < 0.02, ~left, left)
    yield (
        "a copy, 2 % wrong: not found",
        base.drop(columns="left").assign(status=np.where(wrong, "gone", "active"), left=base["left"]),
        keyed,
        set(),
    )
    yield case("a copy as codes", "predicts_target", code=chosen.integers(0, 50, rows) * 2 + left)
    yield case("an amount that only leavers have", "predicts_target", refund=np.where(left, chosen.random(rows) + 1, 0))
    yield case("a day, after the outcome of all", "predicts_target", day=when(left).fillna(when(~left, "2025-01-01")))
    yield case("a day, only where one left", "missing_predicts_target", closed_on=when(left))
    half = left & (chosen.random(rows) < 0.5)
    yield case(
        "a reason, of half of the leavers", "missing_predicts_target", reason=pd.Series("price", base.index).where(half)
    )
    few = customers(200, 0.3)
    gone = few["left"] == "yes"
    yield (
        "a reason, 200 rows",
        few.assign(reason=pd.Series("price", few.index).where(gone))[[*few.columns[:-1], "reason", "left"]],
        keyed,
        {"missing_predicts_target"},
    )
    again = pd.concat([base, base.sample(1_500, random_state=1)], ignore_index=True)
    again["id"] = [f"k{index}" for index in range(len(again))]
    yield "rows twice under other ids", again, keyed, {"held_out_duplicates"}
    blurred = base.drop(columns=["age", "months", "city", "spent", "since"])
    yield "the columns that matter are gone", blurred, keyed, {"contradicting_labels"}
    amounts = chosen.lognormal(3, 1.5, rows).round(2)
    price = base.drop(columns="left").assign(gross=(amounts * 1.19).round(2), net=amounts)
    yield "a number that is the target with tax", price, keyed, {"predicts_target"}
    counted = base.drop(columns="id")
    counted.insert(0, "policy", range(7_000, 7_000 + rows))
    yield "a number that counts the rows", counted, {}, {"row_number"}
    stars = base.drop(columns="left").assign(stars=chosen.integers(1, 13, rows))
    yield "twelve classes written as numbers", stars, keyed, {"few_values"}
    claims = np.where(chosen.random(rows) < 0.03, amounts, 0)
    yield (
        "a number that is nearly always 0",
        base.drop(columns="left").assign(claim=claims),
        keyed,
        {"mostly_one_value"},
    )
    third = np.where(chosen.random(rows) < 0.008, "moved", base["left"])
    yield "a third class of 40 rows", base.assign(left=third), keyed, {"few_held_out"}


def show(cases: Iterator[Case], verbose: bool) -> bool:
    fine = True
    for name, frame, settings, right in cases:
        found = findings(frame, **settings)
        told = {one["kind"] for one in found}
        fine = fine and told == right
        print(f"{'ok ' if told == right else 'NOT'} {name}: {', '.join(sorted(told)) or '-'}")
        for one in found if verbose else ():
            print(f"      {one['text']}")
    return fine


def tables(folder: Path, verbose: bool) -> None:
    """Names that begin with a dot are no tables."""
    looked, skipped, kinds = 0, 0, collections.Counter[str]()
    for path in sorted(folder.rglob("*.csv")):
        if path.name.startswith("."):
            continue
        try:
            frame = pd.read_csv(path, index_col=0, nrows=_MOST_ROWS)
        except (ValueError, UnicodeDecodeError):
            continue
        if len(frame) < 60 or frame.shape[1] < 3:
            continue
        names = [str(name) for name in frame.columns]
        for target in dict.fromkeys([names[-1], names[0], names[len(names) // 2]]):
            try:
                found = findings(frame, target=target)
            except UserError:
                skipped += 1
                continue
            looked += 1
            kinds.update({one["kind"] for one in found})
            kinds["any"] += bool(found)
            for one in found:
                if verbose:
                    print(f"{path.stem} -> {target} ({len(frame):,} rows): {one['kind']}: {one['text']}", flush=True)
    print(f"{looked:,} targets looked at, {skipped:,} refused; told of:")
    for kind, count in kinds.most_common():
        print(f"  {kind:24} {count:5,}  {100 * count / max(1, looked):.1f} %")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, help="a folder of CSV files to look at instead")
    parser.add_argument("--verbose", action="store_true", help="print the sentences, too")
    args = parser.parse_args()
    if args.tables:
        tables(args.tables, args.verbose)
        return 0
    sets = [show(cases, args.verbose) for cases in (of_scikit_learn(), made(), planted())]
    return 0 if all(sets) else 1


if __name__ == "__main__":
    raise SystemExit(main())
