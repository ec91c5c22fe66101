"""Free text as numbers: words and pairs of neighbouring words, hashed into buckets. One function, by row and in bulk.

A text is normalised (NFKC, case folded) and cut into runs of letters and digits; a Chinese character or a kana is a
word by itself. The bucket of a word is the MD5 of it, as for categories; that of a pair is mixed from both hashes.
A bucket's value is 1 + ln(how often), and a text's values are divided by their Euclidean length, so that long and short
texts compare: all of it needs nothing but the text itself. Only the standard library: it is on the prediction path.

>>> words("Don’t STOP: ｶﾀｶﾅ 日本")
['don', 't', 'stop', 'カ', 'タ', 'カ', 'ナ', '日', '本']
"""

from __future__ import annotations

import hashlib
import math
import re
from functools import lru_cache

#: where the wire is sparse, and where every bucket is a field of every row
SPARSE_BUCKETS = 1 << 15
DENSE_BUCKETS = 1 << 8

_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_ALONE}]|[^\\W_{_ALONE}]+")
_ASCII_WORD = re.compile("[a-z0-9]+")
_MIX = 0x9E3779B97F4A7C15  # odd: multiplying by it loses nothing


def words(text: str) -> list[str]:
    """The words of a text in order."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    import unicodedata

    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def entries(text: str, buckets: int) -> list[tuple[int, str]]:
    """(bucket, value) of every bucket that the text touches, ascending; ``buckets`` is a power of two."""
    mask = buckets - 1
    counts: dict[int, int] = {}
    before = -1
    for word in words(text):
        number = _hash(word)
        bucket = number & mask
        counts[bucket] = counts.get(bucket, 0) + 1
        if before >= 0:
            pair = (before * _MIX + number) & mask
            counts[pair] = counts.get(pair, 0) + 1
        before = number
    if not counts:
        return []
    weights = {count: 1.0 + math.log(count) for count in set(counts.values())}
    length = math.sqrt(math.fsum(weights[count] ** 2 for count in counts.values()))
    texts = {count: f"{weight / length:.6g}" for count, weight in weights.items()}
    return [(bucket, texts[counts[bucket]]) for bucket in sorted(counts)]


def fields(text: str, buckets: int) -> str:
    """The same with every bucket, joined by commas."""
    cells = ["0"] * buckets
    for bucket, value in entries(text, buckets):
        cells[bucket] = value
    return ",".join(cells)


@lru_cache(maxsize=1 << 17)
def _hash(word: str) -> int:
    found = hashlib.md5(word.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    return int.from_bytes(found[8:], "little")
