"""Tables, marks and JSON on the terminal; plain lines when it isn't one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console

_MARKS = {"done": ("✓", "green"), "work": ("·", "cyan"), "bad": ("✗", "red"), "note": ("!", "yellow")}
#: characters of a line that a table may have at most
_WIDEST = 1000
_ASCII = {"done": "+", "work": ".", "bad": "x", "note": "!"}


class Status(Protocol):
    """A line that says what goes on and is overwritten; silent where nothing can be overwritten."""

    def __call__(self, text: str) -> None: ...


def console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def mark(kind: str, text: str) -> None:
    """One line with its mark: ``done``, ``work``, ``bad`` or ``note``."""
    sign, colour = _MARKS[kind]
    # while a spinner turns, rich stands in for the stream and names no encoding
    stream = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
    if (stream.encoding or "ascii").lower().replace("-", "") != "utf8":
        sign = _ASCII[kind]
    out = console()
    from rich.text import Text

    out.print(Text.assemble((sign, colour), " ", text))
    sys.stdout.flush()


@contextmanager
def working(first: str) -> Iterator[Status]:
    """A spinner with a text, on a terminal; elsewhere nothing (lines that matter are printed by ``mark``)."""
    out = console()
    if not out.is_terminal:
        yield _silent
        return
    with out.status(_escape(first)) as shown:
        yield lambda text: shown.update(_escape(text))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str, whole: bool = False) -> None:
    """A table; ``empty`` is said instead when there are no rows. Columns are tab-separated when piped.

    ``whole``: lines may be wider than the terminal, so that what stands in a cell can be copied in one piece.
    """
    out = console()
    if not rows:
        out.print(empty, markup=False)
        return
    if not out.is_terminal:
        for row in (columns, *rows):
            print("\t".join(_cell(value) for value in row))  # the console would turn tabs into spaces
        return
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(_escape(_cell(value)) for value in row))
    if whole:
        from rich.measure import Measurement

        made.width = Measurement.get(out, out.options.update(max_width=_WIDEST), made).maximum
    out.print(made, width=made.width, crop=False)


def stack_outputs(outputs: Mapping[str, str]) -> None:
    """Where the application is; the other outputs are names and commands for other ends. Of another stack all."""
    chosen = [key for key in ("ApiUrl", "WebUrl", "DataBucket") if key in outputs] or sorted(outputs)
    for key in chosen:
        plain(f"  {key}: {outputs[key]}")
    if len(chosen) < len(outputs):
        plain("  (its other outputs: `sluice status --json`)")


def as_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def plain(text: str) -> None:
    console().print(text, markup=False)


def show_page(address: str) -> None:
    """Open ``address`` in a browser where there is a screen for one: elsewhere xdg-open only complains."""
    screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if screen or not sys.platform.startswith("linux"):
        import click

        click.launch(address)


def size_text(size: int) -> str:
    """``size`` bytes as people read them.

    >>> size_text(499), size_text(122_040)
    ('499 bytes', '119 KB')
    """
    return f"{size} bytes" if size < 1024 else f"{size / 1024:.0f} KB"


def span_text(seconds: int) -> str:
    """``1d 12h``; empty for none.

    >>> span_text(129600)
    '1d 12h'
    """
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts)


def _silent(text: str) -> None:
    del text  # nothing to overwrite it on


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
