"""What the documentation names exists: commands and their options, make targets, links, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sluice.main import _MODULES

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    if path.name != "architecture.md"
)
OPTIONS = r"(?:--(?:state-dir|profile|stack-name|region) \S+ |--(?:aws|debug) )*"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    text = page.read_text()
    for words in re.findall(rf"(?:`|^ {{4}}|\$\(|bin/)sluice ({OPTIONS}[a-z]+)\b", text, re.M):
        name = words.split()[-1]
        assert name in _MODULES, f"{page.name}: sluice {words}"
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^ {4})make ([a-z][a-z0-9-]*)", text, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), f"{page.name}: make {target}"


def test_the_readme_names_its_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert "    make up\n" in text
    assert "    make test\n" in text
