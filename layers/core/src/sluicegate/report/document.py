"""The frame of every report: one file without scripts, addresses or fonts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from sluicegate.report.html import Markup, text

#: the browser runs nothing and loads nothing, whoever hands the file out
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def document(title: str, body: Iterable[Markup]) -> str:
    """The whole page; empty parts of ``body`` are left out."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(title)}</title>\n<style>{_css()}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )


@cache
def _css() -> str:
    return Path(__file__).with_name("report.css").read_text(encoding="utf-8")
