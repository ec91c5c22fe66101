"""Pieces of HTML from text. Whatever a user named goes through ``text``; only what these functions made is markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sluicegate.report.svg import escape, number


class Markup(str):
    """Finished HTML. Anything else that is put into a page is escaped."""

    __slots__ = ()


def text(value: object) -> Markup:
    """``value`` as text; ``Markup`` as it is."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(number(value) if isinstance(value, float) else str(value)))


def join(parts: Iterable[object]) -> Markup:
    return Markup("".join(text(part) for part in parts if part is not None))


def element(tag: str, *content: object, kind: str = "", **attributes: str) -> Markup:
    """``kind`` is the class; attributes with an underscore are written with a hyphen."""
    named = {"class": kind, **attributes} if kind else attributes
    written = "".join(f' {name.rstrip("_").replace("_", "-")}="{text(value)}"' for name, value in named.items())
    return Markup(f"<{tag}{written}>{join(content)}</{tag}>")


def card(title: str, *content: object, long: bool = False) -> Markup:
    return element("section", element("h2", title), *content, kind="card long" if long else "card")


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]], numeric: Sequence[int] = (), best: int = -1
) -> Markup:
    """The first cell of a row is its head. ``numeric`` columns are set to the right, the row ``best`` is marked."""
    aligned = set(numeric)

    def cell(tag: str, place: int, content: object, **more: str) -> Markup:
        return element(tag, content, kind="n" if place in aligned else "", **more)

    head = element("tr", *(cell("th", place, name, scope="col") for place, name in enumerate(heads)))
    body = [
        element(
            "tr",
            *(
                cell("th", place, content, scope="row") if place == 0 else cell("td", place, content)
                for place, content in enumerate(row)
            ),
            kind="best" if index == best else "",
        )
        for index, row in enumerate(rows)
    ]
    whole = element(
        "table", element("caption", caption) if caption else "", element("thead", head), element("tbody", *body)
    )
    return element("div", whole, kind="scroll")


def facts(pairs: Iterable[tuple[str, object]]) -> Markup:
    shown = [element("div", element("dt", name), element("dd", value)) for name, value in pairs if value is not None]
    return element("dl", *shown, kind="facts")


def figure(drawing: str, caption: str, heading: str = "") -> Markup:
    return element(
        "figure", element("h3", heading) if heading else None, Markup(drawing), element("figcaption", caption)
    )
