"""Documents: a knowledge base read from JSON lines, Markdown and plain text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ragtrace.cli._table import console
from ragtrace.errors import CorpusIndexError

__all__ = ["SUFFIXES", "Raw", "Reading", "shown"]

TEXT_FIELDS: Final = ("text", "content")
"""Where a JSON line keeps its text unless another field is named."""

JSON_LINES: Final = frozenset({".jsonl", ".ndjson"})
MARKDOWN: Final = frozenset({".md", ".markdown"})
PLAIN: Final = frozenset({".txt", ".text", ".rst"})
SUFFIXES: Final = JSON_LINES | MARKDOWN | PLAIN
"""What is read of a directory; a file that is named is read whatever it is called."""

FENCE: Final = "---"
"""Stands before and after the front matter of a Markdown file."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A document as it stands in a file.

    Attributes:
        source: As the document says.
        found_in: Name of the file or directory that was given.
        metadata: Everything else the document says of itself, ``label`` among it.
        place: File, and line where there are several in it.
    """

    id: str
    text: str
    source: str | None
    found_in: str
    metadata: dict[str, Any]
    place: str


@dataclass(slots=True)
class Reading:
    """Reads paths, one document after the other, and remembers where each stood.

    Args:
        paths: Files, and directories to be searched for files of SUFFIXES.
        text_field: Where JSON lines keep their text; the usual fields without one.
        skip_unreadable: Leave out files that are not UTF-8 text, and count them.
        read: Told of the bytes that were read.
    """

    paths: tuple[Path, ...]
    text_field: str | None = None
    skip_unreadable: bool = False
    read: Callable[[int], object] = lambda size: None
    skipped: list[Path] = field(default_factory=list)
    _places: list[tuple[int, str]] = field(default_factory=list)
    _count: int = 0

    def files(self) -> list[tuple[Path, Path]]:
        """Each file, and the path it was found under, in order.

        Raises:
            CorpusIndexError: A path is not there.
        """
        found: list[tuple[Path, Path]] = []
        for path in self.paths:
            if not path.exists():
                raise CorpusIndexError(f"{path}: expected a file or a directory")
            found += [(file, path) for file in _under(path)] if path.is_dir() else [(path, path)]
        return found

    def documents(self) -> Iterator[Raw]:
        """Every document of every file.

        Raises:
            CorpusIndexError: One cannot be read; the message names file, line and expectation.
        """
        for file, root in self.files():
            lines = file.suffix.lower() in JSON_LINES
            given = root.resolve().name
            for raw in self._lines(file, given) if lines else self._whole(file, root, given):
                # A place for each file and not for each line of it: there may be millions.
                if not self._places or self._places[-1][1] != str(file):
                    self._places.append((self._count, str(file)))
                self._count += 1
                yield raw

    def place(self, number: int) -> str:
        """Where the document of a number stood, counted from 0."""
        first, file = max(place for place in self._places if place[0] <= number)
        if Path(file).suffix.lower() not in JSON_LINES:
            return file
        with open(file, "rb") as lines:
            filled = (at for at, line in enumerate(lines, 1) if line.strip())
            return f"{file}:{next(at for n, at in enumerate(filled) if n == number - first)}"

    def _lines(self, file: Path, given: str) -> Iterator[Raw]:
        with _told(file), file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                self.read(len(line))
                if line.strip():
                    yield self._record(line, given, f"{file}:{number}")

    def _record(self, line: bytes, given: str, place: str) -> Raw:
        try:
            said = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            raise CorpusIndexError(f"{place}: expected a JSON object in UTF-8") from None
        if not isinstance(said, dict):
            raise CorpusIndexError(f"{place}: expected a JSON object, got {type(said).__name__}")
        fields = TEXT_FIELDS if self.text_field is None else (self.text_field,)
        text = next((said.pop(name) for name in fields if name in said), None)
        if not isinstance(text, str):
            raise CorpusIndexError(f"{place}: expected a text in the field {' or '.join(fields)}")
        id = said.get("id")
        if not isinstance(id, str | int) or isinstance(id, bool) or id == "":
            raise CorpusIndexError(f"{place}: expected an id, a text or a whole number")
        nested = said.pop("metadata", None)
        metadata = (nested if isinstance(nested, dict) else {}) | said
        return Raw(str(id), text, _source(metadata), given, metadata, place)

    def _whole(self, file: Path, root: Path, given: str) -> Iterator[Raw]:
        with _told(file):
            data = file.read_bytes()
        self.read(len(data))
        try:
            text = data.decode("utf-8-sig")
            if "\0" in text:
                raise ValueError
        except ValueError:
            if self.skip_unreadable:
                self.skipped.append(file)
                return
            raise CorpusIndexError(
                f"{file}: expected text in UTF-8; --skip-unreadable leaves such files out"
            ) from None
        metadata: dict[str, Any] = {}
        if file.suffix.lower() in MARKDOWN:
            metadata, text = _front_matter(text, file)
        name = file.relative_to(root).as_posix() if root != file else str(file)
        id = str(metadata.get("id", name))
        yield Raw(id, text, _source(metadata), given, metadata, str(file))


@contextmanager
def shown(given: Reading) -> Iterator[None]:
    """Show, while it is read, how much has been; nothing where nobody looks.

    Raises:
        CorpusIndexError: A path is not there.
    """
    from rich.progress import Progress

    total = sum(file.stat().st_size for file, _ in given.files())
    screen = console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("reading", total=total)
        given.read = lambda size: bar.advance(task, size)
        yield


def _source(metadata: dict[str, Any]) -> str | None:
    said = metadata.get("source")
    return said if isinstance(said, str) and said else None


def _under(directory: Path) -> Iterator[Path]:
    """Files to be read, without hidden ones and what is in hidden directories."""
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(directory).parts
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in parts):
            if path.is_file():
                yield path


def _front_matter(text: str, file: Path) -> tuple[dict[str, Any], str]:
    """What a Markdown file says of itself between two fences at its top, and the rest."""
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].rstrip() != FENCE:
        return {}, text
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == FENCE), None)
    if end is None:
        return {}, text
    import yaml  # only who has such files pays for it

    try:
        said = yaml.safe_load("".join(lines[1:end]))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 2}" if mark else str(file)
        raise CorpusIndexError(f"{place}: expected YAML between the two lines {FENCE}") from None
    if not isinstance(said, dict):
        return {}, text  # two rules with text between them
    return {str(key): value for key, value in said.items()}, "".join(lines[end + 1 :])


class _told:
    """Names the file in what the system says."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise CorpusIndexError(f"{self._file}: {error.strerror or error}") from None
