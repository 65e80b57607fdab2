"""Content: the attributes of a span that hold what was asked, found, shown or answered."""

from __future__ import annotations

import re
from typing import Final

from ragtrace.model import digest
from ragtrace.wire import _names as names
from ragtrace.wire._readable import DOCUMENT_METADATA, TEXT_WORDS, is_closed, is_readable
from ragtrace.wire._recorded import Recorded, parsed

__all__ = ["content_attributes", "plain_name"]

MAX_METADATA: Final = 4_096
"""Characters of a JSON value that is looked into; a longer one counts as text."""
MAX_DEPTH: Final = 6
"""Levels of such a value; the metadata of vector stores is flat."""
MAX_READABLE: Final = 1_024
"""Characters of what is listed as readable; tallies of tokens and costs are the longest."""
MAX_TITLE: Final = 200
"""Characters of a title or a path."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_.:/@+=-]{0,128}")
"""A number, an id, a name, a path: nothing that a sentence fits into."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.:/@+=$\[\]-]{1,256}")
"""The same of attributes, whose names are paths."""
_SEALED: Final = re.compile(r"sha256:[0-9a-f]{64}")
"""What stands where a text was; sealing it again would lose the text's name."""
_OURS: Final = frozenset(
    value
    for value in vars(names).values()
    if isinstance(value, str) and value.startswith(f"{names.SCOPE}.")
)
_FLOWS: Final = re.compile(re.escape(names.FLOWS) + r"\.\d+", re.ASCII)
_TITLES: Final = frozenset(
    {"title", "name", "source", "file_name", "filename", "file_path", "path", "url", "uri"}
)
"""Keys of a document's metadata under which a few words stand that are not of its text."""


def content_attributes(span: Recorded) -> frozenset[str]:
    """Names of the attributes of ``span`` that may hold text; the rest says what the step was.

    Everything counts as text that is not known to be none: in the names of a known tracer, what
    is not listed as readable; elsewhere, every value that is more than numbers and single words.
    Never raises.
    """
    return frozenset(name for name, value in span.attributes.items() if _holds_text(name, value))


def plain_name(name: str) -> str:
    """The name of an attribute, or ``sha256:`` and its digest where a sentence fits into it."""
    return name if _NAME.fullmatch(name) else f"sha256:{digest(name)}"


def _holds_text(name: str, value: str) -> bool:
    if not value or _SEALED.fullmatch(value) or name in _OURS or _FLOWS.fullmatch(name):
        return False
    if is_readable(name):
        return len(value) > MAX_READABLE or "\n" in value
    if DOCUMENT_METADATA.fullmatch(name):
        return not _is_plain(value, titles=True)
    return is_closed(name) or not _is_plain(value, titles=False)


def _is_plain(value: str, *, titles: bool) -> bool:
    if _TOKEN.fullmatch(value):
        return True
    if len(value) > MAX_METADATA:
        return False
    said = parsed(value)
    return said is not None and _all_plain(said, titles, 0)


def _all_plain(said: object, titles: bool, depth: int) -> bool:
    if depth > MAX_DEPTH:
        return False
    if isinstance(said, str):
        return _TOKEN.fullmatch(said) is not None
    if isinstance(said, list):
        return all(_all_plain(item, titles, depth + 1) for item in said)
    if isinstance(said, dict):
        return all(
            _TOKEN.fullmatch(key) is not None
            and key.lower() not in TEXT_WORDS
            and (
                (titles and key in _TITLES and _is_title(item))
                or _all_plain(item, titles, depth + 1)
            )
            for key, item in said.items()
        )
    return True  # a number, true, false, null


def _is_title(said: object) -> bool:
    return isinstance(said, str) and len(said) <= MAX_TITLE and "\n" not in said
