"""The corpus index after a crash, a full disk, and beside another process."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import pytest

from ragtrace.attribution.corpus import Corpus, CorpusWriter
from ragtrace.errors import CorpusIndexError
from tests.corpora import KEY, document, made, owners
from tests.prose import prose

POINTS: Final = ("fsync", "replace", "unlink", "ftruncate")
"""Calls of the system at which a writer is killed; ``ftruncate`` begins a segment."""

TEXT: Final = " ".join(prose(seed, 30) for seed in range(12))

CHANGES: dict[str, Callable[[CorpusWriter], Any]] = {
    "add": lambda w: w.add(document(f"d{n}", prose(n, 30)) for n in range(4, 8)),
    "replace": lambda w: w.add([document("d0", prose(10, 30))]),
    "afresh": lambda w: w.add([document("d11", prose(11, 30))], afresh=True),
    "remove": lambda w: w.remove(["d1"]),
    "remove most": lambda w: w.remove(["d0", "d1", "d2"]),
    "remove all": lambda w: w.remove(["d0", "d1", "d2", "d3"]),
    "merge": lambda w: w.merge(),
}

RUNNER: Final = """
import json, os, signal, sys
from pathlib import Path
from tests.attribution.test_corpus_crashes import CHANGES, POINTS, begin, seen
from ragtrace.attribution.corpus import CorpusWriter
from tests.corpora import KEY

root, name = Path(sys.argv[1]), sys.argv[2]

def changed(path, last):
    calls = 0
    def counted(function):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return call
    for point in POINTS:
        setattr(os, point, counted(getattr(os, point)))
    with CorpusWriter(path, KEY) as writer:
        CHANGES[name](writer)
    return calls

def forked(work):
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

said = {"before": seen(begin(root / "plain"))}
counted = root / "count"
assert forked(lambda: counted.write_text(str(changed(root / "plain", 0)))) == 0
said["after"] = seen(root / "plain")
said["points"] = []
for point in range(1, int(counted.read_text()) + 1):
    path = begin(root / str(point))
    assert forked(lambda: changed(path, point)) == -signal.SIGKILL
    crashed = seen(path)
    assert forked(lambda: changed(path, 0)) == 0
    said["points"].append([crashed, seen(path), sorted(f.name[:7] for f in path.iterdir())])
print(json.dumps(said))
"""


def begin(path: Path) -> Path:
    """An index of two segments, one of them with a removed document."""
    with CorpusWriter(path, KEY) as writer:
        writer.add(document(f"d{n}", prose(n, 30)) for n in range(3))
        writer.add([document("d3", prose(3, 30)[:300]), document("gone", prose(9))])
        writer.remove(["gone"])
    return path


def seen(path: Path) -> list[str]:
    """The documents that are found, everything verified."""
    return sorted(owners(Corpus.open(path, KEY).scan(TEXT)))


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_writer_killed_at_any_call_has_changed_all_or_nothing(
    tmp_path: Path, change: str
) -> None:
    """The index opens as it was or as it should be; the next writer finishes and cleans up."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(tmp_path), change],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert len(said["points"]) >= 5
    for crashed, repaired, files in said["points"]:
        assert crashed in (said["before"], said["after"])
        assert repaired == said["after"]
        assert set(files) <= {"lock", "manifes", "segment", "removed"}
        assert files.count("segment") <= 2


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_full_disk_at_any_call_is_an_error_and_changes_all_or_nothing(
    tmp_path: Path, change: str
) -> None:
    """The same writer goes on afterwards as if nothing had been."""
    before = seen(begin(tmp_path / "plain"))
    with CorpusWriter(tmp_path / "plain", KEY) as writer:
        CHANGES[change](writer)
    after = seen(tmp_path / "plain")
    for point in range(1, 100):
        path = tmp_path / str(point)
        shutil.copytree(begin(tmp_path / f"new-{point}"), path)
        with CorpusWriter(path, KEY) as writer:
            failed = _failing(lambda w=writer: CHANGES[change](w), point)
            assert seen(path) in (before, after)
            if not failed:
                break
            CHANGES[change](writer)
            assert seen(path) == after
    else:
        raise AssertionError("no end of calls")


def _failing(work: Callable[[], Any], last: int) -> bool:
    """Whether ``work`` fails where the system refuses its ``last``-th call."""
    calls = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == last:
                raise OSError(errno.ENOSPC, "No space left on device")
            return function(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for point in ("fsync", "replace", "pwrite", "ftruncate"):
            patch.setattr(os, point, counted(getattr(os, point)))
        try:
            work()
        except CorpusIndexError as error:
            assert "No space left" in str(error)
            return True
    return False


def add_rest(path: Path, begun: int, said: Connection) -> None:
    """In a process of its own: add what is missing of twelve documents, and say when each is."""
    with CorpusWriter(path, KEY) as writer:
        for number in range(begun, 12):
            writer.add([document(f"d{number}", prose(number, 30))])
            said.send(number)


@pytest.mark.slow
def test_a_writer_killed_at_random_loses_no_commit(tmp_path: Path) -> None:
    """What it said it had added is there, whatever it was doing when it was killed."""
    # A process that has imported everything makes all the writers: they start in no time.
    processes = get_context("forkserver")
    processes.set_forkserver_preload(["__main__", __name__])
    dice = random.Random(5)
    for attempt in range(12):
        path, begun = tmp_path / str(attempt), 0
        while begun < 12:
            heard, said = processes.Pipe(duplex=False)
            writer = processes.Process(target=add_rest, args=(path, begun, said))
            writer.start()
            said.close()
            with heard:
                told = list(_heard(heard, at_most=1))
                time.sleep(dice.random() / 50)
                writer.kill()
                writer.join()
                told += _heard(heard)
            assert told, "the writer ended before it was killed"
            begun = max(told) + 1
            assert {f"d{n}" for n in range(begun)} <= set(seen(path))


def _heard(heard: Connection, at_most: int = 12) -> Iterator[int]:
    """What has come; waits for the first of it, if the other end is open."""
    for _ in range(at_most):
        try:
            yield heard.recv()
        except EOFError:
            return


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """The second is told who holds the index, and gets it when the first is done."""
    with (
        CorpusWriter(tmp_path, KEY) as writer,
        pytest.raises(CorpusIndexError, match=f"process {os.getpid()} is writing"),
        CorpusWriter(tmp_path, KEY),
    ):
        pass
    with CorpusWriter(tmp_path, KEY) as writer:
        writer.add([document("a", prose(1))])


def test_readers_see_one_state_or_the_next(tmp_path: Path) -> None:
    """While documents are replaced and merged, every answer is of one commit, and none fails."""
    rounds, stop, wrong = 25, threading.Event(), []
    made(tmp_path, [document(f"d{n}", prose(n, 30)) for n in range(4)])

    def read() -> None:
        corpus = Corpus.open(tmp_path, KEY)
        while not stop.is_set():
            corpus.refresh()
            found = owners(corpus.scan(TEXT))
            # Each round replaces the text of d0 by that of the next seed, never by nothing.
            if not {"d0", "d1", "d2", "d3"} <= found:
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    with CorpusWriter(tmp_path, KEY) as writer:
        for number in range(rounds):
            writer.add([document("d0", prose(4 + number % 8, 30)), document(f"x{number}", "")])
            if number % 5 == 0:
                writer.merge()
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_a_reader_keeps_what_it_opened(tmp_path: Path) -> None:
    """Files that a merge deletes stay readable to who has them open."""
    corpus = made(tmp_path, [document("a", prose(1)), document("b", prose(2))])
    with CorpusWriter(tmp_path, KEY) as writer:
        writer.add([document("c", prose(3))])
        writer.merge()
        writer.remove(["a"])
    assert owners(corpus.scan(prose(1) + prose(3))) == {"a"}
    assert corpus.refresh()
    assert owners(corpus.scan(prose(1) + prose(3))) == {"c"}
    assert not corpus.refresh()
