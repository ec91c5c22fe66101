"""Whole files predicted on a real region: each format, rejects beside the result, a pinned version, no endpoint."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.application import Application, eventually

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def wines(application: Application) -> tuple[list[str], list[list[Any]]]:
    """The model ``wines`` (scikit-learn's 178 wines of three growers), live, and its rows without the grower."""
    from sklearn.datasets import load_wine

    data = load_wine()
    header = [str(name).replace("/", "_") for name in data.feature_names]
    rows = [[*map(float, row)] for row in data.data]
    text = io.StringIO()
    csv.writer(text).writerow([*header, "grower"])
    csv.writer(text).writerows([*row, f"grower {label}"] for row, label in zip(rows, data.target, strict=True))
    application.settings(
        "wines", "target: grower\nproblem: multiclass\nalgorithm: {hyperparameters: {num_round: 20}}\n"
    )
    application.put("data/wines/all.csv", text.getvalue())
    watched = application.watch("wines")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    return header, rows


def finished(application: Application, key: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        batches = (application.api.find("models/wines/batches") or {}).get("batches") or []
        found = next((item for item in batches if item["key"] == key), None)
        return found if found and found["status"] in ("done", "failed") else None

    return eventually(over, 90, f"{key} is predicted")


def test_every_format_comes_back_in_order_with_what_the_endpoint_says_and_goes_without_it(
    application: Application, wines: tuple[list[str], list[list[Any]]], tmp_path: Path
) -> None:
    import duckdb

    header, rows = wines
    asked = application.predict("wines", *(dict(zip(header, row, strict=True)) for row in rows))["predictions"]
    application.client("sagemaker").delete_endpoint(EndpointName="sluicegate-wines")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(["bottle", *header])
    csv.writer(text, lineterminator="\n").writerows([f"b-{n}", *row] for n, row in enumerate(rows))
    broken = text.getvalue().replace("b-3,", "b-3,x,", 1).splitlines(keepends=True)
    table = tmp_path / "rows.csv"
    table.write_text(text.getvalue())
    connection = duckdb.connect()
    connection.execute(f"COPY (FROM '{table}') TO '{tmp_path / 'c.parquet'}' (FORMAT parquet)")
    lines = "".join(
        json.dumps({"bottle": f"b-{n}", **dict(zip(header, r, strict=True))}) + "\n" for n, r in enumerate(rows)
    )
    application.put("batch/wines/a.csv", "".join(broken))
    application.put("batch/wines/deep/b.jsonl.gz", gzip.compress(lines.encode()))
    application.put("batch/wines/version=1/c.parquet", (tmp_path / "c.parquet").read_bytes())
    first = finished(application, "batch/wines/a.csv")
    assert (first["status"], first["rows"], first["rejected_rows"], first["version"]) == ("done", 177, 1, 1), first
    (reject,) = csv.DictReader(io.StringIO(application.read(first["rejects"]).decode()))
    assert (reject["line"], reject["reason"]) == ("5", f"{len(header) + 2} fields instead of {len(header) + 1}")
    second = finished(application, "batch/wines/deep/b.jsonl.gz")
    third = finished(application, "batch/wines/version=1/c.parquet")
    assert (second["rows"], third["rows"], third["result"]) == (178, 178, "predictions/wines/version=1/c.parquet")
    (tmp_path / "out.parquet").write_bytes(application.read(third["result"]))
    parquet = connection.execute(f"FROM '{tmp_path / 'out.parquet'}'")
    names = [column[0] for column in parquet.description]
    found: dict[str, list[dict[str, Any]]] = {
        "csv": list(csv.DictReader(io.StringIO(application.read(first["result"]).decode()))),
        "jsonl": [json.loads(line) for line in gzip.decompress(application.read(second["result"])).splitlines()],
        "parquet": [dict(zip(names, row, strict=True)) for row in parquet.fetchall()],
    }
    for kind, told in found.items():
        numbers = [n for n in range(178) if kind != "csv" or n != 3]
        assert [row["bottle"] for row in told] == [f"b-{n}" for n in numbers]
        for row, number in zip(told, numbers, strict=True):
            assert row["prediction"] == asked[number]["prediction"]
            for name, share in asked[number]["probabilities"].items():
                assert float(row[f"probability_{name}"]) == pytest.approx(share, abs=1e-6)


def test_the_command_says_what_is_wrong_and_lists_what_was_done(
    application: Application, wines: tuple[list[str], list[list[Any]]], tmp_path: Path
) -> None:
    header, rows = wines
    file = tmp_path / "few.csv"
    file.write_text(",".join(header) + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows[:5]))
    out = tmp_path / "out.csv"
    done = application.sluice("batch", "wines", str(file), "-o", str(out))
    assert "5 rows predicted with version 1." in done.stdout
    assert len(out.read_text().splitlines()) == 6
    refused = application.sluice("batch", "wines", str(file), "--version", "9", "--wait", check=False)
    assert (refused.returncode, "has no version 9. It has 1 (live)" in refused.stdout) == (1, True)
    file.write_text("alcohol,hue\n1,2\n")
    refused = application.sluice("batch", "wines", str(file), "--wait", check=False)
    assert "few.csv has no column malic_acid" in refused.stdout
    unknown = application.sluice("batch", "beers", str(file), "--wait", check=False)
    assert "There is no model 'beers'." in unknown.stderr
    listed = application.sluice("batches", "wines").stdout
    assert "batch/wines/few.csv\tdone\t1\t5\t0" in listed
