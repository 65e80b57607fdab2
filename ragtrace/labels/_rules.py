"""What a policy says about labels: keys to read, sources and sections to recognise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ragtrace.model import Label, Passage

__all__ = ["LabelKeys", "SectionRule", "SourceRule", "as_text"]


@dataclass(frozen=True, slots=True)
class LabelKeys:
    """Metadata keys that carry labels.

    Attributes:
        level: Tried in order; the strictest of those present counts.
        tenant: Its value becomes the compartment ``tenant:VALUE``.
        ranges: Holds a list of ``{start, end, label}`` with character offsets.
        names: Other names for levels, as in ``confidential: staff_only``.
        tlp: Levels by TLP name (``amber+strict``); where there are any, a TLP name that is not
            here counts as the strictest level.
    """

    level: tuple[str, ...] = ("label", "trust", "classification", "sensitivity", "audience")
    tenant: str | None = "tenant"
    ranges: str | None = "restricted_spans"
    names: tuple[tuple[str, str], ...] = ()
    tlp: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SourceRule:
    """Passages that match all of the patterns get at least this label.

    Attributes:
        source: Glob on the source id.
        uri: Glob on the document's URI.
        metadata: Globs on metadata values, by key.
    """

    id: str
    label: Label
    source: str | None = None
    uri: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()

    def matches(self, passage: Passage, uri: str) -> bool:
        """Whether every pattern of the rule fits."""
        if self.source is not None and not passage.source.fits(self.source):
            return False
        if self.uri is not None and not fnmatchcase(uri, self.uri):
            return False
        return all(
            key in passage.metadata and fnmatchcase(as_text(passage.metadata[key]), pattern)
            for key, pattern in self.metadata
        )


@dataclass(frozen=True, slots=True)
class SectionRule:
    """The part of a text under a matching heading gets at least this label.

    A section runs from its Markdown heading to the next heading of the same or a higher
    rank, or to the end of the text.

    Attributes:
        heading: Glob on the heading's words, without the ``#`` marks, case ignored.
    """

    id: str
    heading: str
    label: Label

    def sections(self, text: str) -> list[tuple[int, int]]:
        """Character ranges of the sections of ``text``, in order.

        What looks like a heading within a code fence may begin a section, to be safe, but
        ends none: there ``#`` begins a comment.
        """
        found: list[tuple[int, int]] = []
        open_at: list[tuple[int, int]] = []  # rank and start of the sections not yet ended
        for start, rank, words, fenced in _headings(text):
            while open_at and not fenced and open_at[-1][0] >= rank:
                found.append((open_at.pop()[1], start))
            if fnmatchcase(words.lower(), self.heading.lower()):
                open_at.append((rank, start))
        found.extend((start, len(text)) for _, start in open_at)
        return sorted(found)


_LINE = re.compile(
    r"^ {0,3}(?:(?P<fence>```(?!`*[^`\n]*`)|~~~)|(?P<marks>#{1,6})[ \t]+(?P<words>[^\n]*))",
    re.MULTILINE,
)
"""A code fence or a Markdown heading; every part of it reads on without going back."""


def _headings(text: str) -> Iterator[tuple[int, int, str, bool]]:
    """Start, rank and words of every heading, and whether it stands within a code fence."""
    fence = None
    for line in _LINE.finditer(text):
        if line["fence"]:
            fence = None if fence == line["fence"] else fence or line["fence"]
            continue
        words = line["words"].rstrip(" \t\r#").strip()
        yield line.start(), len(line["marks"]), words, fence is not None


def as_text(value: object) -> str:
    """``value`` as a pattern is compared with it; a value that cannot be written is unknown."""
    try:
        return str(value)
    except Exception:  # a number of 5,000 digits, or whatever a stranger's class does
        return f"unreadable {type(value).__name__}"
