"""Files of the corpus index that are not what they should be."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import zlib
from pathlib import Path
from typing import Final

import pytest

from ragtrace.attribution import skeleton
from ragtrace.attribution.corpus import Corpus, CorpusWriter
from ragtrace.attribution.corpus._key import Key
from ragtrace.attribution.corpus._seeds import Seeds, code_points
from ragtrace.errors import CorpusIndexError
from tests.corpora import KEY, document, made, told
from tests.prose import SCRIPTS, prose

ROUNDS: Final = 250
"""Damaged copies of one index; a second or two."""

FOOTER: Final = prose(77, 20)
TEXT: Final = f"{prose(1, 30)} and {FOOTER} and {prose(2)[40:300]}, {SCRIPTS['chinese']}"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two segments, one with removed documents, some text in many documents."""
    path = tmp_path_factory.mktemp("index")
    with CorpusWriter(path, KEY) as writer:
        writer.add(document(f"d{n}", f"{prose(n, 30)} {FOOTER}", f"l{n % 3}") for n in range(90))
        writer.remove(["d3", "d4"])
        writer.add([document("e", SCRIPTS["chinese"])])
    return path


def damaged(path: Path, dice: random.Random) -> str:
    """Change one file in one way; tells what was done."""
    victim = dice.choice(sorted(f for f in path.iterdir() if f.name not in ("lock", "key")))
    data = bytearray(victim.read_bytes())
    how = dice.choice(["flip", "zero", "cut", "grow", "noise", "gone"])
    place = dice.randrange(len(data))
    if how == "flip":
        data[place] ^= 1 << dice.randrange(8)
    elif how == "zero":
        data[place : place + 512] = bytes(len(data[place : place + 512]))
    elif how == "cut":
        del data[place:]
    elif how == "grow":
        data += bytes(dice.randrange(1, 64))
    elif how == "noise":
        data[place : place + 64] = dice.randbytes(len(data[place : place + 64]))
    if how == "gone":
        victim.unlink()
    else:
        victim.write_bytes(data)
    return f"{how} {victim.name} at {place}"


def test_damage_is_an_error_or_does_no_harm(index: Path, tmp_path: Path) -> None:
    """Whatever bytes are changed, the answer is right or there is a clear error."""
    expected, dice = told(Corpus.open(index, KEY).scan(TEXT)), random.Random(1)
    errors = 0
    for number in range(ROUNDS):
        path = tmp_path / str(number)
        shutil.copytree(index, path)
        done = damaged(path, dice)
        try:
            assert told(Corpus.open(path, KEY).scan(TEXT)) == expected, done
        except CorpusIndexError as error:
            errors += 1
            assert str(path) in str(error), done
    assert errors > ROUNDS * 0.8


def test_damage_that_is_not_looked_for_never_crashes(index: Path, tmp_path: Path) -> None:
    """Without checksums an answer may miss something; it is an answer, or a clear error."""
    dice = random.Random(2)
    for number in range(ROUNDS):
        path = tmp_path / str(number)
        shutil.copytree(index, path)
        done = [damaged(path, dice) for _ in range(dice.randrange(1, 4))]
        try:
            Corpus.open(path, KEY, verify=False).scan(TEXT)
            with CorpusWriter(path, KEY) as writer:
                writer.remove(["d1"])
                writer.merge()
        except CorpusIndexError:
            pass
        except Exception as error:
            raise AssertionError(done) from error


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"version": 2}, "expected version 1, got 2"),
        ({"format": "another"}, "expected format ragtrace corpus index, got another"),
        ({"seed": 32}, "expected seed 24, got 32"),
        ({"fold": 0}, "folds letters differently; build the index again"),
        ({"segments": 7}, "expected the manifest of a corpus index"),
    ],
)
def test_an_index_of_another_kind_says_so(
    index: Path, tmp_path: Path, change: dict[str, object], expected: str
) -> None:
    """Another version, other parameters, or another folding: the message names what differs."""
    path = tmp_path / "i"
    shutil.copytree(index, path)
    body = json.loads((path / "manifest").read_bytes().split(b"\n")[0]) | change
    data = json.dumps(body).encode()
    (path / "manifest").write_bytes(data + b"\n%08x\n" % zlib.crc32(data))
    with pytest.raises(CorpusIndexError, match=expected):
        Corpus.open(path, KEY)


def test_a_place_without_an_index_says_so(tmp_path: Path) -> None:
    """A reader makes nothing; the message says what would."""
    with pytest.raises(CorpusIndexError, match=r"expected an index here; .*ragtrace index build"):
        Corpus.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_wrong_key_is_refused_and_a_missing_one_named(index: Path, tmp_path: Path) -> None:
    """With another key everything would seem to be absent."""
    with pytest.raises(CorpusIndexError, match="expected the key this index was made with"):
        Corpus.open(index, bytes(32))
    with pytest.raises(CorpusIndexError, match="expected 32 bytes, got 5"):
        Corpus.open(index, b"short")
    with pytest.raises(CorpusIndexError, match="key: No such file"):
        Corpus.open(index)
    (tmp_path / "key").write_text("not hex")
    with pytest.raises(CorpusIndexError, match="key: expected a key of 64 hex digits"):
        Corpus.open(index, tmp_path / "key")
    with pytest.raises(CorpusIndexError, match="key"), CorpusWriter(index):
        pass


def test_a_new_index_makes_its_key_for_its_owner_only(tmp_path: Path) -> None:
    """The key may be kept elsewhere; every file is the owner's alone."""
    with CorpusWriter(tmp_path / "index", tmp_path / "secret") as writer:
        writer.add([document("a", prose(1))])
    assert not (tmp_path / "index" / "key").exists()
    with CorpusWriter(tmp_path / "other") as writer:
        writer.add([document("a", prose(1))])
    assert (tmp_path / "other" / "key").read_text() != (tmp_path / "secret").read_text()
    for path in [tmp_path / "secret", *(tmp_path / "index").iterdir(), tmp_path / "other" / "key"]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    one = Corpus.open(tmp_path / "index", str(tmp_path / "secret"))
    assert told(one.scan(prose(1))) == told(Corpus.open(tmp_path / "other").scan(prose(1)))


def test_an_index_holds_no_text(tmp_path: Path) -> None:
    """No word of a document is in a file, and another key makes other seeds of the same text."""
    made(tmp_path, [document("a", prose(1))])
    words = [word.encode() for word in prose(1).lower().split() if len(word) > 6]
    data = b"".join(f.read_bytes() for f in tmp_path.iterdir()).lower()
    assert words and not any(word in data for word in words)
    codes = code_points(skeleton(prose(1)).symbols)
    one, two = (set(Seeds(Key(key)).everywhere(codes).tolist()) for key in (KEY, bytes(32)))
    assert len(one) > 200 and not one & two


def test_a_directory_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """The message names the place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusIndexError, match="file"), CorpusWriter(tmp_path / "file", KEY):
        pass
    assert os.path.isfile(tmp_path / "file")
