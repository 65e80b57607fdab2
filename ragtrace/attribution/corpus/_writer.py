"""Writer: changes an index, one whole change at a time."""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from ragtrace.attribution.corpus._batch import BATCH, Batch
from ragtrace.attribution.corpus._document import CorpusDocument
from ragtrace.attribution.corpus._draft import PATTERNS, Draft
from ragtrace.attribution.corpus._files import told
from ragtrace.attribution.corpus._key import KEY_BYTES, Key, key_file, resolve_key
from ragtrace.attribution.corpus._lock import locked
from ragtrace.attribution.corpus._manifest import MANIFEST_FILE, Manifest, read_manifest
from ragtrace.attribution.corpus._seeds import Seeds
from ragtrace.attribution.corpus._snapshot import OpenSegment, Snapshot, open_snapshot
from ragtrace.attribution.corpus._tiers import may_merge
from ragtrace.errors import CorpusIndexError

__all__ = ["CorpusWriter"]


class CorpusWriter:
    """Changes the index in a directory; the first change makes one. Use it in a ``with``.

    Every method is one change: after it, or after a crash at any moment within it, the
    index is as the change makes it or as it was before. Readers are not waited for, and do
    not wait. One writer at a time.

    Args:
        path: The index directory.
        key: The secret of 32 bytes, or the file that holds it; without one, the file
            ``key`` in the directory. A key file that is missing is made with a new index.
    """

    def __init__(self, path: str | Path, key: bytes | str | Path | None = None) -> None:
        self._directory = Path(path)
        self._given = key
        self._stack = ExitStack()
        self._snapshot: Snapshot | None = None
        self._unsaved: Path | None = None  # where to put a key that is new

    def __enter__(self) -> CorpusWriter:
        """Open for writing.

        Raises:
            CorpusIndexError: Somebody else writes, or the index cannot be opened.
        """
        with ExitStack() as stack, told(self._directory):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.enter_context(locked(self._directory))
            self._key = self._known_key() or Key(secrets.token_bytes(KEY_BYTES))
            self._seeds = Seeds(self._key)
            self._open()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(
        self,
        documents: Iterable[CorpusDocument],
        *,
        place: Callable[[int], str] = "document {}".format,
        afresh: bool = False,
    ) -> int:
        """Put in documents; those whose id is in the index already replace it.

        All or nothing: whatever goes wrong, also in ``documents`` itself, nothing is added.
        Takes the memory of one batch and about 60 bytes a document, however many they are.

        Args:
            documents: Read once, in order.
            place: What to call the document of a number, counted from 0, in an error.
            afresh: Make this all there is in the index.

        Returns:
            How many documents were given.

        Raises:
            CorpusIndexError: Two have the same id, or the index cannot be written.
        """
        with self._change(afresh=afresh) as draft:
            names, before = array("Q"), len(draft.segments)
            batch = Batch(self._key, self._seeds)
            for document in documents:
                name = self._key.name(document.id)
                names.append(name)
                batch.add(document, name)
                if batch.characters >= BATCH:
                    draft.write(batch)
                    batch = Batch(self._key, self._seeds)
            draft.write(batch)
            numbers = np.frombuffer(names, np.uint64) if names else np.zeros(0, np.uint64)
            new = draft.segments[before:]
            _check_twice(numbers, new, place)
            draft.replace(numbers, before)
        return len(names)

    def remove(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Take out documents; afterwards no text is found in them.

        Returns:
            Those of ``ids`` that were not in the index.
        """
        wanted = list(dict.fromkeys(ids))
        names = np.array([self._key.name(id) for id in wanted], np.uint64)
        with self._change() as draft:
            found = draft.remove(names, frozenset(wanted))
        return tuple(id for id in wanted if id not in found)

    def merge(self) -> None:
        """Make one segment of all, where one has room, without what was removed."""
        with self._change() as draft:
            group: list[OpenSegment] = []
            for held in sorted(draft.segments, key=lambda held: held.size):
                if may_merge([*group, held]):
                    group.append(held)
            if len(group) > 1 or any(held.removed for held in group):
                draft.merge([group])

    @contextmanager
    def _change(self, *, afresh: bool = False) -> Iterator[Draft]:
        if self._snapshot is None:
            raise CorpusIndexError(f"{self._directory}: a change failed; open the index again")
        draft = Draft(self._directory, self._key, self._snapshot, afresh=afresh)
        try:
            yield draft
            if self._unsaved is not None:
                self._key.save(self._unsaved)
                self._unsaved = None
            with told(self._directory):
                manifest = draft.commit()
        except BaseException:
            # It may have been committed all the same: what is on disk is what holds.
            self._snapshot = None
            with suppress(CorpusIndexError):
                self._open()
            raise
        self._snapshot = Snapshot(manifest, tuple(draft.segments))
        self._clean()

    def _known_key(self) -> Key | None:
        """The key, unless this is a new index whose key file is still to be made."""
        made = (self._directory / MANIFEST_FILE).exists()
        if not (made or isinstance(self._given, bytes)):
            path = key_file(self._directory, self._given)
            if not path.exists():
                self._unsaved = path
                return None
        return resolve_key(self._directory, self._given)

    def _open(self) -> None:
        """Take up what is on disk, and delete what is not part of it."""
        there = (self._directory / MANIFEST_FILE).exists()
        manifest = read_manifest(self._directory) if there else Manifest(self._key.check)
        self._snapshot = open_snapshot(self._directory, manifest, self._key, verify=False)
        self._clean()

    def _clean(self) -> None:
        """Delete files that are not part of the index; readers that have them open keep them."""
        assert self._snapshot is not None
        for pattern in PATTERNS:
            for path in self._directory.glob(pattern):
                if path.name not in self._snapshot.manifest.files:
                    with suppress(OSError):  # the next writer tries again
                        path.unlink(missing_ok=True)


def _check_twice(
    names: NDArray[np.uint64], segments: list[OpenSegment], place: Callable[[int], str]
) -> None:
    """No id may be given twice at once: which of the two would hold?"""
    order = np.argsort(names, kind="stable")
    twice = np.flatnonzero(names[order][1:] == names[order][:-1])
    for at in twice.tolist():
        first, second = int(order[at]), int(order[at + 1])
        ids = {
            documents.ids[number]
            for documents in (held.segment.documents for held in segments)
            for number in np.flatnonzero(documents.names == names[first]).tolist()
        }
        if len(ids) == 1:  # else two ids have one hash
            raise CorpusIndexError(
                f"{place(second)}: expected another id, {ids.pop()!r} is that of {place(first)}"
            )
