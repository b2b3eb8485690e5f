"""What a child that works on strangers' files can do: little; and what becomes of it: nothing is left."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from csss.confinement.child import Program
from csss.confinement.parent import Busy, Died, Exhausted, Room, run_forked

ODD = Program(
    "tests.odd_work", memory=100_000_000, cpu_seconds=1, seconds=20, largest_answer=10_000, sealed=True
)


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    room = Room(ODD, at_once=2, patience=20)
    yield room
    room.close()


def children() -> set[int]:
    """Every process whose parent this one is."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found |= {int(pid) for pid in (task / "children").read_text("ascii").split()}
    return found


WRONG = [
    pytest.param(b"memory 900000000", Exhausted, "out of memory", id="memory"),
    pytest.param(b"spin", Exhausted, "processor time", id="processor time"),
    pytest.param(b"large 10001", Exhausted, "10001 bytes", id="a large answer"),
    pytest.param(b"signal 6", Exhausted, "SIGABRT", id="abort"),
    pytest.param(b"signal 11", Exhausted, "SIGSEGV", id="crash"),
    pytest.param(b"signal 9", Died, "-9", id="kill"),
    pytest.param(b"half", Died, "ended with 0", id="half an answer"),
    pytest.param(b"fail", Died, "ValueError: that was nothing", id="an exception"),
    pytest.param(b"nonsense", Died, "KeyError", id="nonsense"),
]


@pytest.mark.parametrize(("request_", "kind", "words"), WRONG)
def test_what_goes_wrong_in_the_child_is_told_and_leaves_no_child(
    room: Room, request_: bytes, kind: type[Exception], words: str
) -> None:
    before = children()
    with pytest.raises(kind, match=words):
        room.run(request_)
    assert len(children() - before) <= 1, "only the one that waits for the next"
    assert room.run(b"echo still here") == b"still here"


@pytest.mark.parametrize(("request_", "kind", "words"), [WRONG[0], *WRONG[3:5]])
def test_a_fork_is_held_to_the_same(request_: bytes, kind: type[Exception], words: str) -> None:
    before = children()
    with pytest.raises(kind, match=words):
        run_forked(ODD, request_)
    assert children() == before
    assert run_forked(ODD._replace(sealed=False), b"file").startswith(b'"""A program')


def test_who_is_too_slow_by_the_clock_is_ended(room: Room) -> None:
    hasty = Room(ODD._replace(seconds=0.5), at_once=1, patience=1)
    try:
        with pytest.raises(Died, match=r"within 0\.5 s"):
            hasty.run(b"sleep")
    finally:
        hasty.close()


@pytest.mark.parametrize("word", [b"file", b"socket", b"fork", b"program"])
def test_a_sealed_child_opens_no_file_and_no_connection_and_starts_nothing(room: Room, word: bytes) -> None:
    with pytest.raises(Died, match=r"OSError|BlockingIOError|PermissionError"):
        room.run(word)


def test_a_sealed_child_may_work_in_a_thread_of_its_own(room: Room) -> None:
    """The decoder of telephones' photographs does."""
    assert room.run(b"thread") == b"done"


def test_the_child_inherits_neither_secrets_nor_files(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSSS_SECRET_KEY", "nobody may know this")
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        fresh = Room(ODD, at_once=1, patience=5)
        assert b"nobody" not in fresh.run(b"environment")
        assert b"CSSS" not in fresh.run(b"environment")
        assert fresh.run(b"fds") == b"0 1 2"
        assert fresh.run(b"limits") == b"0 0"
        assert b"flask" not in fresh.run(b"modules")
        fresh.close()
    finally:
        os.close(reader)
        os.close(writer)


def test_only_so_many_wait_so_that_pages_keep_their_threads() -> None:
    room = Room(ODD, at_once=1, patience=60, waiting=0)
    room._door.acquire()
    with pytest.raises(Busy, match="0 wait already"):
        room.run(b"echo a")
    room.close()


def test_where_no_child_can_be_started_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(ODD, at_once=1, patience=5)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(Died, match="no child could be started"):
        room.run(b"echo a")
    monkeypatch.undo()
    assert room.run(b"echo a") == b"a"
    room.close()


def test_pages_go_before() -> None:
    polite = Room(ODD, at_once=1, patience=5, nice=5)
    assert polite.run(b"nice") == b"%d" % min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)
    polite.close()


def test_each_piece_of_work_has_a_child_of_its_own(room: Room) -> None:
    assert len({room.run(b"pid") for _ in range(3)}) == 3


def test_one_that_died_while_it_waited_is_replaced(room: Room) -> None:
    room.prepare()
    assert room._spare is not None
    os.kill(room._spare._process.pid, signal.SIGKILL)
    room._spare._process.wait()
    assert room.run(b"echo a") == b"a"


def test_no_more_than_so_many_work_at_once_and_the_next_is_told_to_come_back() -> None:
    room = Room(ODD._replace(seconds=1.5), at_once=1, patience=0.1)
    began = threading.Event()

    def first() -> None:
        began.set()
        with pytest.raises(Died):
            room.run(b"sleep")

    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(first)
        began.wait()
        while room._places._value:  # type: ignore[attr-defined]
            time.sleep(0.01)
        with pytest.raises(Busy, match="1 are at work"):
            room.run(b"echo a")
        slow.result()
    assert run_forked(ODD, b"echo b") == b"b"
    room.close()
