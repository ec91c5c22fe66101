"""The report's page: well-formed, self-contained, and nothing that a user named becomes markup."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.domain import evaluation
from sluicegate.report.page import render
from sluicegate.report.svg import Plot, number, ticks
from tests.support.sample_report import HOSTILE, report

KINDS = ("binary", "multiclass", "regression")
VOID = {"meta", "link", "br", "img", "input"}


class Read(HTMLParser):
    """The page's elements. Fails when they are not nested properly."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.elements)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_user_named_stays_text(kind: str) -> None:
    page = Read(render(report(kind, HOSTILE)))
    plain = Read(render(report(kind, "age")))
    assert Counter(tag for tag, _ in page.elements) == Counter(tag for tag, _ in plain.elements)
    assert page.count("script") == page.count("img") == 0
    attributes = {name for _, found in page.elements for name in found}
    assert attributes == {name for _, found in plain.elements for name in found}
    assert "<script>alert('x')</script>" in page.text
    assert "\u2028" not in page.text and "\x07" not in page.text


@cache
def made_once(kind: str) -> tuple[dict[str, Any], list[str]]:
    made = report(kind)
    return made, [tag for tag, _ in Read(render(made)).elements]


@settings(max_examples=40)
@given(st.sampled_from(KINDS), st.text(max_size=30))
def test_any_name_gives_the_same_elements(kind: str, name: str) -> None:
    made, elements = made_once(kind)
    column = {**made["data"]["columns"][0], "name": name}
    changed = {**made, "data": {**made["data"], "columns": [column, made["data"]["columns"][1]]}}
    page = render({**changed, "verdict": {**made["verdict"], "reason": name}})
    page.encode()
    assert [tag for tag, _ in Read(page).elements] == elements


@pytest.mark.parametrize("kind", KINDS)
def test_it_needs_nothing_and_runs_nothing(kind: str) -> None:
    text = render(report(kind))
    page = Read(text)
    assert page.count("script") == page.count("link") == 0
    for _, attributes in page.elements:
        assert not {"style", "href", "src"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in text and "@import" not in text and "http://" not in text
    (policy,) = [
        found["content"] for tag, found in page.elements if found.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None and policy.startswith("default-src 'none'")


@pytest.mark.parametrize("kind", KINDS)
def test_it_can_be_read_without_seeing_it(kind: str) -> None:
    page = Read(render(report(kind)))
    drawings = [found for tag, found in page.elements if tag == "svg"]
    named = {found["id"] for _, found in page.elements if found.get("id")}
    assert len(named) == sum(1 for _, found in page.elements if found.get("id"))
    for found in drawings:
        if found.get("role") == "img":
            assert set(str(found["aria-labelledby"]).split()) <= named
        else:
            assert found.get("aria-hidden") == "true"
    assert page.elements[0] == ("html", {"lang": "en"})
    assert page.count("h1") == 1
    assert all(
        found.get("scope") in ("row", "col")
        for tag, found in page.elements
        if tag == "th" and found.get("class") != "wide"
    )


def test_it_says_what_was_measured() -> None:
    made = report("binary")
    text = re.sub(r"\s+", " ", Read(render(made)).text)
    for words in (
        made["verdict"]["reason"],
        number(made["metrics"]["auc"]["value"]),
        number(made["baseline"]["value"]),
        made["baseline"]["how"],
        "Against version 3",
        "not used",
        "Set aside on reading 31",
        f"Findings {made['data']['findings'][0]['text']} Notes",
        "data-rejects/churn/0a1b2c3d4e5f/report.json",
        "4 more are not listed",
        "at most $1.50",
        "$0.2100",
        "3 training jobs, the best validation:auc first",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("binary", ("AUC is 0.9 over 150 of 200 rows held out. So much of it is lost", "AUC lost")),
        ("regression", ("RMSE is 0.9 over 150 of 200 rows held out. So much is added to it", "RMSE added")),
    ],
)
def test_what_it_goes_by_is_told_both_ways(kind: str, words: tuple[str, ...]) -> None:
    made = report(kind)
    both = made["importance"]
    shared = ("−0.01 to 0.008", "Not used by the model: age, note.", "7 columns were not shuffled", "75.0 %")
    page = re.sub(r"\s+", " ", Read(render(made)).text)
    for expected in (*words, *shared, "Gain of its splits", "The 2 largest after encoding"):
        assert expected in page, expected
    only_gain = {**both, "permutation": {"absent": "the model is too large for it"}}
    page = Read(render({**made, "importance": only_gain})).text
    assert "Columns were not shuffled: the model is too large for it." in page and "75.0 %" in page
    only_shuffled = {**both, "reported": {"absent": "the artifact is too large"}}
    page = Read(render({**made, "importance": only_shuffled})).text
    assert "The model doesn't say it itself: the artifact is too large." in page and words[1] in page


def test_what_is_not_known_is_left_out_or_said() -> None:
    made = report(
        "regression",
        importance={"permutation": {"absent": "it is too large"}, "reported": {"absent": "it is a pickle"}},
        cost=None,
        tuning=None,
    )
    text = Read(render({**made, "uploads": [], "rejected_uploads": [], "data": None, "baseline": None})).text
    assert "Not known: it is too large; and it is a pickle." in text
    assert "Tuning" not in text and "Where it comes from" not in text


def test_problems_without_a_target() -> None:
    figures = (
        evaluation.clusters(np.array([0, 1, 1]), 0.25)
        | evaluation.components([0.6, 0.3])
        | evaluation.scores(np.linspace(0, 3, 50), 2.5)
    )
    absent = {"permutation": {"absent": "there is no target"}, "reported": {"absent": "no"}}
    bare: dict[str, Any] = {"problem": {"kind": "clustering"}, "metrics": {}, "baseline": None, "importance": absent}
    text = Read(render(report("regression", **bare, figures=figures))).text
    assert "Silhouette 0.25" in text
    assert "2 components explain 90.0 % of the variance" in text
    assert "9 of 50 rows lie above 2.5" in text


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12))
def test_ticks_are_few_and_within(low: float, width: float) -> None:
    high = low + width
    found = ticks(low, high)
    assert len(found) <= 7
    nearly = 1e-8 * max(width, abs(low))
    assert all(low - nearly <= value <= high + nearly for value in found)


def test_a_point_lies_where_its_numbers_say() -> None:
    plot = Plot("p", "t", "d", (0, 10), (0, 1), "x", "y")
    plot.points([0, 10, 99], [0, 1, 2])
    path = re.search(r'd="(M[^"]*)"', plot.svg())
    assert path is not None
    (left, bottom), (right, top), beyond = re.findall(r"M([\d.]+) ([\d.]+)h0", path[1])
    assert (float(left), float(bottom), float(right), float(top)) == (52, 256, 406, 12)
    assert beyond == (right, top)  # what lies outside is drawn at the edge
