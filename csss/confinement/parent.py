"""Process untrusted input in a child process that has few rights and dies alone (`csss.confinement.child`).

The child of `Room.run` is a new interpreter. It has our code and nothing else of ours: no secret in its environment
or memory, no database connection, no open file. One child waits ready, so that nobody waits for Python to start.
Each child does one task and exits.
"""

import atexit
import faulthandler
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from csss.confinement import child as child_side
from csss.confinement.child import Program

_BEGIN = "import sys; sys.path[:] = sys.argv[1].split('\\n'); from csss.confinement import child; child.main(*sys.argv[2:])"
# The few environment variables that a program needs; none of our settings is among them.
_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "FONTCONFIG_FILE", "FONTCONFIG_PATH")

_CRASHES = {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGTRAP}


class Unfinished(Exception):
    """There is no answer."""


class Exhausted(Unfinished):
    """The work needs more memory or CPU time than allowed, or crashes the program; a retry would fail, too."""


class Died(Unfinished):
    """The child was killed from outside, failed, or exceeded the time limit."""


class Busy(Unfinished):
    """Too many tasks of this kind are running."""


class Room:
    """The slots for one program's children: `at_once` may run; `waiting` more wait for at most `patience` seconds.

    Each one holds a web thread meanwhile, so anybody beyond that is refused at once: pages need threads, too.
    `nice` gives pages priority (0 to 19, as for the command). Without `spare`, no child waits ready for the next task.
    """

    def __init__(
        self,
        program: Program,
        *,
        at_once: int,
        patience: float,
        waiting: int = 4,
        nice: int = 0,
        spare: bool = True,
    ) -> None:
        self.program, self._keeps_spare = program, spare
        self._patience, self._at_once, self._waiting, self._nice = patience, at_once, waiting, nice
        self._spare: _Fresh | None = None
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(at_once)
        self._door = threading.BoundedSemaphore(at_once + waiting)
        os.register_at_fork(after_in_child=self._forget)  # the parent's children do not belong to a fork
        atexit.register(self.close)

    def run(self, request: bytes) -> bytes:
        """Get the program's answer. Raises Exhausted, Died, Busy; leaves no child behind."""
        if not self._door.acquire(blocking=False):
            raise Busy(f"{self._waiting} wait already")
        try:
            return self._when_there_is_a_place(request)
        finally:
            self._door.release()

    def _when_there_is_a_place(self, request: bytes) -> bytes:
        if not self._places.acquire(timeout=self._patience):
            raise Busy(f"{self._at_once} are at work already")
        try:
            child = self._take()
            try:
                return _ask(self.program, child.line, request, child.end)
            finally:
                child.end()
        finally:
            self._places.release()
            if self._keeps_spare:
                self.prepare()

    def prepare(self) -> None:
        """Start one child in advance, if possible. A process that will need it may call this early."""
        with self._lock, suppress(Died):
            if self._spare is None or self._spare.gone:
                self._spare = _Fresh(self.program, self._nice)

    def _take(self) -> "_Fresh":
        with self._lock:
            spare, self._spare = self._spare, None
        return spare if spare is not None and not spare.gone else _Fresh(self.program, self._nice)

    def _forget(self) -> None:
        self._spare = None
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(self._at_once)
        self._door = threading.BoundedSemaphore(self._at_once + self._waiting)

    def close(self) -> None:
        """End the waiting child."""
        with self._lock:
            if self._spare is not None:
                self._spare.end()
                self._spare = None


class _Fresh:
    """A child in a new interpreter. Raises Died when the machine cannot start one."""

    def __init__(self, program: Program, nice: int) -> None:
        self.line, theirs = socket.socketpair()
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        words = [str(each) for each in program]
        places = "\n".join(str(Path(place).absolute()) for place in sys.path)
        try:
            # -I: nothing from the environment or the working folder; -S: no site module, because our path is
            # complete.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter  # nosec B603
                [sys.executable, "-I", "-S", "-c", _BEGIN, places, *words],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={**kept, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError as error:
            self.line.close()
            raise Died(f"no child could be started: {error}") from error
        finally:
            theirs.close()
        if nice:
            with suppress(OSError):  # it has ended already; the next request reports that
                ours = os.getpriority(os.PRIO_PROCESS, 0)
                os.setpriority(os.PRIO_PROCESS, self._process.pid, min(19, ours + nice))

    @property
    def gone(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> int:
        """Kill it unless it has ended; returns the exit status, negative for a signal."""
        self.line.close()
        self._process.kill()
        return self._process.wait()


def run_forked(program: Program, request: bytes) -> bytes:
    """Get the program's answer from a fork of this process: for a worker's job, where the program is already
    loaded.

    Not for a web process: a fork has only the current thread, and a lock held by another thread stays locked for
    ever. Raises Exhausted, Died; leaves no child behind.
    """
    line, theirs = socket.socketpair()
    child = multiprocessing.get_context("fork").Process(
        target=_in_fork, args=(program, line, theirs), daemon=True
    )
    with line:
        with theirs:
            child.start()

        def end() -> int:
            child.kill()
            child.join()
            return child.exitcode or 0

        try:
            return _ask(program, line, request, end)
        finally:
            end()
            child.close()


def _in_fork(program: Program, line: socket.socket, theirs: socket.socket) -> None:
    line.close()  # so that the child notices when the parent dies
    faulthandler.disable()
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(each, signal.SIG_DFL)
    child_side.work(program, theirs.fileno())


def _ask(program: Program, line: socket.socket, request: bytes, end: Callable[[], int]) -> bytes:
    """Send the request and read the answer, both within the program's time limit."""
    deadline = time.monotonic() + program.seconds
    try:
        _wait_until(deadline, line)
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        state, length = child_side.HEAD.unpack(_read(line, child_side.HEAD.size, deadline))
        if length > program.largest_answer:
            raise Exhausted(f"an answer of {length} bytes")
        answer = _read(line, length, deadline)
    except TimeoutError:
        raise Died(f"no answer within {program.seconds:g} s") from None
    except (EOFError, OSError):
        raise _why(end()) from None
    if state == child_side.NO_MEMORY:
        raise Exhausted("out of memory")
    if state != child_side.DONE:
        raise Died(answer[:500].decode(errors="replace"))
    return answer


def _wait_until(deadline: float, line: socket.socket) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    line.settimeout(left)


def _read(line: socket.socket, length: int, deadline: float) -> bytes:
    pieces = []
    while length:
        _wait_until(deadline, line)
        piece = line.recv(min(length, 1 << 20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _why(status: int) -> Unfinished:
    """Interpret the exit status. C libraries abort or crash when an allocation fails."""
    if -status == signal.SIGXCPU:
        return Exhausted("out of processor time")
    if -status in _CRASHES:
        return Exhausted(
            f"crashed with {signal.Signals(-status).name}, as when memory is refused to a library"
        )
    return Died(f"the child ended with {status}")
