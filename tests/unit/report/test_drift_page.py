"""The drift report's page: well-formed, self-contained, and nothing that a user named becomes markup."""

from __future__ import annotations

import pytest

from sluicegate.report.drift_page import render
from tests.support.sample_drift import drift_report
from tests.support.sample_report import HOSTILE
from tests.unit.report.test_page import Read


@pytest.mark.parametrize("name", ["age", HOSTILE, "x" * 300])
def test_it_is_well_formed_and_names_are_text(name: str) -> None:
    page = render(drift_report(name))
    read = Read(page)
    assert read.count("script") == 0
    assert read.count("img") == 0
    assert not any(key in ("src", "href") for _, attributes in read.elements for key in attributes)
    assert "Version 2 has drifted." in read.text
    assert "chosen as if by lot" in read.text
    assert read.count("svg") >= 4  # two columns, predictions, quality


def test_nothing_to_compare_is_said_and_is_no_verdict() -> None:
    report = drift_report(rows=10) | {"quality": None, "drifted": False, "reasons": []}
    read = Read(render(report))
    assert "Nothing could be compared" in read.text
    assert "10 predictions; 500 are needed" in read.text
    assert not any("accepted" in (found.get("class") or "") for _, found in read.elements)


def test_what_moved_little_is_counted_where_there_is_much() -> None:
    report = drift_report()
    report["columns"] = [{**report["columns"][0], "name": f"c{number}"} for number in range(320)]
    page = render(report)
    assert "The 20 that moved least are not shown." in page
    assert len(page) < 4_000_000
