"""Models that a function evaluates by itself, without the library that trained them, and equal to it.

Where versions are registered, ``xgboost_files`` or ``linear_files`` (numpy) reads the artifact's files once and makes a
compact document, which is stored as JSON beside the artifact. ``compiled`` (standard library; for ``predict``) makes a
`LocalModel` of the document once a process. The document::

    {"format": 1, "kind": "trees" | "linear", "link": see links.py, "width": features, "members": [member, …]}

Several members (cross-validation) answer their mean. Numbers of arrays are little-endian, in base64: nothing is rounded
on the way, and a model of 100,000 nodes is read in a tenth of a second. A document holds no code and is checked on
reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluicegate.domain.local_models import linear, links, trees, wires

if TYPE_CHECKING:
    from sluicegate.domain.encoder import Wire

FORMAT = 1
#: what a document may take: a larger one is not worth its start
LARGEST_DOCUMENT = 8 * 1024 * 1024

#: a row's numbers (NaN: missing, each exact in 32 bits) to the margins of its outputs
Member = Callable[[Sequence[float]], list[float]]
_KINDS: Mapping[str, Callable[[Mapping[str, Any], int], Member]] = {"trees": trees.member, "linear": linear.member}


class NoLocalModel(ValueError):
    """The model can't be evaluated here; the text is the reason."""


@dataclass(frozen=True)
class LocalModel:
    width: int
    members: tuple[Member, ...]
    link: links.Link

    def scores(self, records: Sequence[bytes], wire: Wire) -> list[list[float]]:
        """The numbers that the endpoint answers for each record (see ``Algorithm.rows``), from what it would be sent.
        ``ValueError`` when a record is not of this model's width."""
        read = wires.reader(wire, self.width)
        return [self.score(read(record)) for record in records]

    def score(self, row: Sequence[float]) -> list[float]:
        found = [self.link(member(row)) for member in self.members]
        if len(found) == 1:
            return found[0]
        return [sum(values) / len(found) for values in zip(*found, strict=True)]


def compiled(document: Mapping[str, Any]) -> LocalModel:
    """``NoLocalModel`` when it is no document of this format."""
    if document.get("format") != FORMAT:
        raise NoLocalModel(f"unknown format {document.get('format')!r}")
    try:
        width, make = int(document["width"]), _KINDS[document["kind"]]
        members = tuple(make(member, width) for member in document["members"])
        link = links.LINKS[document["link"]]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise NoLocalModel(f"not laid out as it should be: {type(error).__name__}: {error}") from error
    if not members:
        raise NoLocalModel("it has no members")
    return LocalModel(width, members, link)
