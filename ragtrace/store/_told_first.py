"""Told first: a prompt's rope is not replaced by another one under the same digest.

The text of a passage or an answer is proved by its digest before it comes here. A rope is proved
only together with all that it refers to, which may come later: so the first one stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ragtrace.store._access import OWNER
from ragtrace.store._reader import ContentLike

if TYPE_CHECKING:
    from ragtrace.store._store import Store

__all__ = ["told_first"]

_ROPES: Final = """
SELECT Digest, Kind, Level, Key, Text FROM contents WHERE {may_contents}
AND Digest IN {digests:Array(String)} AND Kind = 'prompt' AND Kept = 1 AND Gone = 0
"""


def told_first(store: Store, contents: Sequence[ContentLike]) -> list[ContentLike]:
    """Give ``contents`` without the ropes that differ from what is kept under their digest."""
    asked = {"digests": sorted({one.digest for one in contents if one.kind == "prompt"})}
    if not asked["digests"]:
        return list(contents)
    rows = store._rows("texts", _ROPES, asked, OWNER, column_formats={"Text": "bytes"})
    kept = {(row[0], row[2]): store._unseal(row) for row in rows}
    return [
        one
        for one in contents
        if one.kind != "prompt" or kept.setdefault((one.digest, one.level), one.text) == one.text
    ]
