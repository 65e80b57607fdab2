"""Keyring: the keys of texts, in a file that is in no backup of the engine, so that they can be
destroyed.

Two entries make the key of a text: that of its level, and that of whose text it is (a document,
a user, a session) on that level. Each is random, and wrapped with the root key; nothing else is.
"""

from __future__ import annotations

import hmac
import json
import secrets
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from ragtrace.store._keyring_file import KeyringFile
from ragtrace.store._root import KEY_BYTES
from ragtrace.store._seeds import SEED_BYTES, Seeds
from ragtrace.store._shreds import LEVEL_DIGITS, Shred, Shredded

__all__ = ["PSEUDONYMS", "Key", "Keyring"]

SUBJECT_DIGITS: Final = 16
"""Of a key's id behind those of its level: random, so that no two keys are ever called the same."""
REMEMBERED: Final = 65_536
"""Keys held in memory, some 500 bytes each; others are read again."""
PSEUDONYMS: Final = "@pseudonyms"
"""Stands for a level in a subject's entry that no text is sealed with."""


@dataclass(frozen=True, slots=True)
class Key:
    """What seals the texts of one subject on one level.

    Attributes:
        id: Stands beside each text; says nothing.
        of_level: The level's key.
        seeds: The subject's, a seed for each text.
    """

    id: str
    of_level: bytes = field(repr=False)
    seeds: Seeds = field(repr=False)


class Keyring:
    """One file of keys; safe to use from several threads and processes.

    Args:
        path: The file, which only its owner may read.
        root: 32 bytes, the key that wraps it.
        create: Whether to make one where there is none.

    Raises:
        StoreError: There is none, others can read it, or it opens with another root key; so
            does every method where the file cannot be read or written.
    """

    def __init__(self, path: Path, root: bytes, *, create: bool) -> None:
        self._by_subject: dict[tuple[str, str], Key] = {}
        self._by_id: dict[str, Key] = {}
        self._shredded: Shredded | None = None
        self._file = KeyringFile(path, root, create=create, changed=self._forget)
        self.path: Final = path

    def keys(self, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Key]:
        """Give the keys of subjects on levels; those that there were none of are made.

        They are on disk when this returns: a text is never sealed with a key that may be lost.
        """
        pairs = set(asked)
        with self._file.reading():
            if len(self._by_id) > REMEMBERED:
                self._forget()
            found = {pair: self._by_subject[pair] for pair in pairs if pair in self._by_subject}
            if len(found) < len(pairs):
                with self._file.changing() as db:
                    made = self._found_or_made(db, pairs - found.keys())
                found |= made
                self._by_subject |= made
                self._by_id |= {key.id: key for key in made.values()}
            return found

    def key(self, name: str) -> Key | None:
        """Give the key with this id; ``None`` where it was destroyed, or never was here."""
        with self._file.reading() as db:
            if name not in self._by_id:
                row = db.execute(_BY_ID, (name,)).fetchone()
                if row is None:
                    return None
                self._by_id[name] = self._opened(name, *row)
            return self._by_id[name]

    def of_subjects(self, subjects: Iterable[str]) -> list[str]:
        """Give the ids of every key that these ever had and that was not destroyed."""
        with self._file.reading() as db:
            found = [db.execute(_OF_SUBJECT, (self.named(one),)) for one in subjects]
            return sorted(row[0] for rows in found for row in rows)

    def of_level(self, level: str) -> list[str]:
        """Give the id of a level's key, which names all keys on it; nothing where it has none."""
        with self._file.reading() as db:
            return [row[0] for row in db.execute(_OF_LEVEL, (level,))]

    def levels(self) -> dict[str, int]:
        """Count the subjects that have keys, by level."""
        with self._file.reading() as db:
            return dict(db.execute(_LEVELS).fetchall())

    def retire(self, used: set[str], before: float) -> list[str]:
        """Have keys that no text is sealed with any more seal none from now on.

        Args:
            used: Ids of the keys with texts.
            before: Seconds since the epoch.

        Returns:
            Ids of those that have been so since before then, which may be destroyed: whoever had
            one in hand when it was retired has long written.
        """
        with self._file.changing() as db:
            rows = [row for row in db.execute(_KEYS_OF_TEXTS) if row[0] not in used]
            now = [(int(time.time()), key) for key, retired in rows if not retired]
            db.executemany("UPDATE keys SET retired = ? WHERE id = ?", now)
            self._forget()
        return sorted(key for key, retired in rows if 0 < retired < before)

    def shred(self, record: Shred) -> None:
        """Destroy what a record says, and keep the record; a second time changes nothing."""
        with self._file.changing() as db:
            if db.execute("SELECT 1 FROM shreds WHERE id = ?", (record.id,)).fetchone():
                return
            db.execute("INSERT INTO shreds VALUES (?, ?, 0)", (record.id, record.line))
            gone = [(key,) for key in record.keys]
            db.executemany("DELETE FROM keys WHERE id = ?", gone)
            levels = [key for key in gone if len(key[0]) == LEVEL_DIGITS]
            db.executemany("DELETE FROM keys WHERE level = ?", levels)
            db.executemany("DELETE FROM levels WHERE id = ?", levels)
            self._puncture(db, record)
            self._forget()

    def shreds(self) -> list[tuple[Shred, bool]]:
        """Give every record, the oldest first, and whether rows were emptied after it."""
        with self._file.reading() as db:
            rows = db.execute("SELECT record, swept FROM shreds").fetchall()
        found = [(Shred.from_json(json.loads(record)), bool(swept)) for record, swept in rows]
        return sorted(found, key=lambda one: (one[0].time_ns, one[0].id))

    def shredded(self) -> Shredded:
        """Give what finds the record of a text that does not open."""
        with self._file.reading():
            if self._shredded is None:
                self._shredded = Shredded(record for record, _ in self.shreds())
            return self._shredded

    def proof(self, record: Shred) -> str:
        """Give what proves that who wrote a record had the keyring, 64 hexadecimal digits."""
        return hmac.digest(self.derived(b"ragtrace shreds"), record.line.encode(), "sha256").hex()

    def swept(self, record: str) -> None:
        """Note that rows were emptied after a record."""
        with self._file.changing() as db:
            db.execute("UPDATE shreds SET swept = 1 WHERE id = ?", (record,))

    def rotate(self, root: bytes) -> int:
        """Wrap everything with another root key, all of it or nothing; give how many entries."""
        return self._file.rewrap(root)

    def named(self, subject: str) -> bytes:
        """Give the name that a subject has in the keyring, which nobody can guess at."""
        plain = subject.encode("utf-8", "surrogatepass")
        return hmac.digest(self._file.names, plain, "sha256")[:16]

    def pseudonyms(self, subjects: Iterable[str]) -> dict[str, str]:
        """Give names that stand for subjects for as long as their secrets are not destroyed."""
        keys = self.keys((subject, PSEUDONYMS) for subject in subjects)
        return {subject: _pseudonym(key) for (subject, _), key in keys.items()}

    def derived(self, purpose: bytes) -> bytes:
        """Give a key for something else, 32 bytes; it outlives the root key."""
        return hmac.digest(self._file.names, purpose, "sha256")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file."""
        self.close()

    def _forget(self) -> None:
        self._shredded = None
        self._by_subject.clear()
        self._by_id.clear()

    def _found_or_made(
        self, db: sqlite3.Connection, pairs: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], Key]:
        found: dict[tuple[str, str], Key] = {}
        levels: dict[str, tuple[str, bytes]] = {}
        new: list[tuple[str, bytes, str, bytes]] = []
        for subject, level in pairs:
            if level not in levels:
                levels[level] = self._level(db, level)
            (of_level, secret), name = levels[level], self.named(subject)
            row = db.execute(_BY_SUBJECT, (name, of_level)).fetchone()
            if row is None:
                row = self._new(of_level)
                new.append((row[0], name, of_level, row[1]))
            found[subject, level] = Key(row[0], secret, self._seeds(*row))
        db.executemany(_ADD_KEY, new)
        return found

    def _new(self, of_level: str) -> tuple[str, bytes]:
        """The id of a new key on a level, and its seeds, wrapped."""
        made = of_level + secrets.token_hex(SUBJECT_DIGITS // 2)
        seeds = Seeds.grown(secrets.token_bytes(SEED_BYTES))
        return made, self._file.wrapped(seeds.to_bytes(), made)

    def _level(self, db: sqlite3.Connection, level: str) -> tuple[str, bytes]:
        """A level's key and its id; it is made where there is none."""
        row = db.execute("SELECT id, wrapped FROM levels WHERE name = ?", (level,)).fetchone()
        if row is not None:
            return row[0], self._file.opened(row[1], row[0])
        made, secret = secrets.token_hex(LEVEL_DIGITS // 2), secrets.token_bytes(KEY_BYTES)
        wrapped = self._file.wrapped(secret, made)
        db.execute("INSERT INTO levels VALUES (?, ?, ?)", (made, level, wrapped))
        return made, secret

    def _opened(self, name: str, of_level: str, level: bytes, seeds: bytes) -> Key:
        return Key(name, self._file.opened(level, of_level), self._seeds(name, seeds))

    def _seeds(self, name: str, wrapped: bytes) -> Seeds:
        return Seeds.from_bytes(self._file.opened(wrapped, name))

    def _puncture(self, db: sqlite3.Connection, record: Shred) -> None:
        by_key: dict[str, list[str]] = {}
        for key, digest in record.punctured:
            by_key.setdefault(key, []).append(digest)
        for key, digests in by_key.items():
            found = db.execute("SELECT wrapped FROM keys WHERE id = ?", (key,)).fetchone()
            if found is None:
                continue
            seeds = Seeds.from_bytes(self._file.opened(found[0], key))
            for digest in digests:
                seeds = seeds.without(digest)
            wrapped = self._file.wrapped(seeds.to_bytes(), key)
            db.execute("UPDATE keys SET wrapped = ? WHERE id = ?", (wrapped, key))


def _pseudonym(key: Key) -> str:
    secret = key.of_level + b"".join(key.seeds.nodes.values())
    return hmac.digest(secret, b"ragtrace pseudonym", "sha256")[:16].hex()


_BY_ID: Final = """
SELECT keys.level, levels.wrapped, keys.wrapped FROM keys
JOIN levels ON levels.id = keys.level WHERE keys.id = ?
"""
_BY_SUBJECT: Final = "SELECT id, wrapped FROM keys WHERE subject = ? AND level = ? AND retired = 0"
_OF_SUBJECT: Final = "SELECT id FROM keys WHERE subject = ?"
_OF_LEVEL: Final = "SELECT id FROM levels WHERE name = ?"
_LEVELS: Final = f"""
SELECT levels.name, count(keys.id) FROM levels LEFT JOIN keys ON keys.level = levels.id
WHERE levels.name != '{PSEUDONYMS}' GROUP BY levels.name ORDER BY levels.name
"""
_KEYS_OF_TEXTS: Final = f"""
SELECT keys.id, keys.retired FROM keys JOIN levels ON levels.id = keys.level
WHERE levels.name != '{PSEUDONYMS}'
"""
_ADD_KEY: Final = "INSERT INTO keys (id, subject, level, wrapped) VALUES (?, ?, ?, ?)"
