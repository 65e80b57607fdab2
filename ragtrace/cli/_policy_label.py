"""``ragtrace policy label``: what a policy knows of texts, written down before they are used."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from ragtrace.cli import _options
from ragtrace.cli._documents import Raw, Reading, shown
from ragtrace.cli._line import say
from ragtrace.errors import PolicyFileError
from ragtrace.labels import (
    MAX_REGISTRY_LINE,
    MAX_REGISTRY_RANGES,
    MAX_REGISTRY_TEXTS,
    Kept,
    Labeller,
)
from ragtrace.model import Chunk, Label, Passage, Source
from ragtrace.policy import read_policy

__all__ = ["command"]

UNLABELLED: Final = "unlabelled"
"""In the basis of a chunk that nobody has labelled: its level is the policy's guess."""


@click.command("label")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Registry that is written, in place of what is there.",
)
@click.option("--source", metavar="NAME", help="Of texts that do not name theirs.")
@click.option("--text-field", metavar="NAME", help="Field of a JSON line that is its text.")
@click.option("--skip-unreadable", is_flag=True, help="Leave out files that are not UTF-8.")
@_options.as_json
def command(
    file: Path,
    paths: tuple[Path, ...],
    out: Path,
    source: str | None,
    text_field: str | None,
    skip_unreadable: bool,
    as_json: bool,
) -> None:
    """Label the texts in PATH… by the policy in FILE, and write a registry of it.

    Give the chunks as your store holds them, as JSON lines (id, text or content, metadata): a
    registry knows a text by its digest. What the policy's own registry says is not read.
    """
    writing = _Writing(read_policy(file, registry=False).labeller)
    given = Reading(paths, text_field, skip_unreadable)
    with shown(given):
        for raw in given.documents():
            writing.add(raw, raw.source or source or f"file/{raw.found_in}")
    _replace(out, writing.lines())
    _tell(out, writing, given.skipped, as_json)


class _Writing:
    """What is known of every text, while they are read."""

    def __init__(self, labeller: Labeller) -> None:
        self._labeller = labeller
        self._looked_for = frozenset([labeller.pii.looked_for] if labeller.pii is not None else [])
        self._texts: dict[str, Kept] = {}
        self.counts = dict.fromkeys(("ranges", "differing", "unknown_level", "too_long"), 0)

    def add(self, raw: Raw, source: str) -> None:
        """Label one text; where it comes twice, both labels hold.

        Raises:
            PolicyFileError: There are more than a registry holds.
        """
        chunk = self._labeller.label(Passage(raw.text, Source(source), raw.metadata, raw.id))
        kept, before = self._kept(chunk), self._texts.get(chunk.digest, Kept())
        if chunk.digest in self._texts:
            self.counts["differing"] += before.label != kept.label
            kept = before.with_also(kept, self._labeller.lattice)
        if len(kept.line(chunk.digest)) > MAX_REGISTRY_LINE:
            self.counts["too_long"] += 1
            kept = Kept(kept.label)
        self._texts[chunk.digest] = kept
        self.counts["ranges"] += len(kept.ranges) - len(before.ranges)
        if len(self._texts) > MAX_REGISTRY_TEXTS or self.counts["ranges"] > MAX_REGISTRY_RANGES:
            raise PolicyFileError(
                f"{raw.place}: expected at most {MAX_REGISTRY_TEXTS} texts and "
                f"{MAX_REGISTRY_RANGES} ranges in a registry"
            )

    def lines(self) -> Iterator[bytes]:
        """The registry, a line for every text of which something is known."""
        return (kept.line(name) for name, kept in self._texts.items() if kept != Kept())

    def summary(self) -> dict[str, int]:
        """How many texts there were, and what was made of them."""
        labelled = sum(kept.label is not None for kept in self._texts.values())
        return {"texts": len(self._texts), "labelled": labelled, **self.counts}

    def _kept(self, chunk: Chunk) -> Kept:
        label = None if UNLABELLED in chunk.basis.split("+") else self._known(chunk.label)
        ranges = [replace(part, label=self._known(part.label)) for part in chunk.ranges]
        return Kept(label, tuple(ranges), self._looked_for)

    def _known(self, label: Label) -> Label:
        """``label``; a level that the policy does not know becomes its strictest."""
        if label.level in self._labeller.lattice.levels:
            return label
        self.counts["unknown_level"] += 1
        return replace(label, level=self._labeller.lattice.strictest)


def _replace(path: Path, lines: Iterable[bytes]) -> None:
    """Put ``lines`` in the place of ``path`` at one stroke: who reads it meanwhile has the old."""
    made = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with made.open("wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    except OSError as error:
        raise PolicyFileError(f"{path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # it is not there, or it never could be
            made.unlink()


def _tell(out: Path, writing: _Writing, skipped: list[Path], as_json: bool) -> None:
    counts = writing.summary()
    if as_json:
        said = {"out": str(out), **counts, "skipped": list(map(str, skipped))}
        click.echo(json.dumps(said, indent=2))
        return
    say(
        f"{out}: {counts['texts']} texts, {counts['labelled']} with a label, "
        f"{counts['ranges']} ranges"
    )
    for count, sentence in (
        (counts["differing"], "came with different labels; the strictest holds"),
        (counts["unknown_level"], "have a level that the policy does not know; as the strictest"),
        (counts["too_long"], "have more ranges than a line holds; they are looked through anew"),
    ):
        if count:
            say(f"{count} {sentence}", err=True)
    for path in skipped:
        say(f"left out, not text in UTF-8: {path}", err=True)
