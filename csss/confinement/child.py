"""Run inside a child process that handles untrusted input: one request, one answer, then exit.

The other side is `csss.confinement.parent`. A program is a module with two functions: `warm_up()` loads everything
that it will need, and `answer(request)` turns bytes into bytes. It imports little, because each child is a new
interpreter.
"""

import errno
import os
import resource
import struct
import sys
from contextlib import suppress
from importlib import import_module
from typing import NamedTuple

from csss.confinement import threads_only

HEAD = struct.Struct(">cQ")  # outcome, and number of bytes that follow
DONE, NO_MEMORY, FAILED = b"+", b"m", b"!"


class Program(NamedTuple):
    """The module that does the work, and its resource limits for one request."""

    module: str
    memory: int  # bytes in addition to what the program uses after warm_up
    cpu_seconds: int
    seconds: float  # wall-clock time from the request to the end of the answer
    largest_answer: int  # bytes
    sealed: bool  # after warm_up it cannot open files or connections, or start processes (threads it can)


def main(*words: str) -> None:
    """Entry point of the new interpreter: standard input is the socket to the parent."""
    module, memory, cpu_seconds, seconds, largest_answer, sealed = words
    program = Program(
        module, int(memory), int(cpu_seconds), float(seconds), int(largest_answer), sealed == "True"
    )
    work(program, 0)


def work(program: Program, line: int) -> None:
    """Read one request from `line`, answer it within the limits, and exit; without a request just exit."""
    module = import_module(program.module)
    module.warm_up()
    most = confine(program)
    try:
        request = _read(line)
        if not request:
            return
        state, answer = DONE, module.answer(request)
    except Exception as error:
        state, answer = FAILED, f"{type(error).__name__}: {error}"[:500].encode(errors="replace")
        if _for_want_of_memory(error, most - program.memory // 4):
            state, answer = NO_MEMORY, b""
    with suppress(BrokenPipeError, ConnectionResetError):  # the parent no longer waits
        _write(line, HEAD.pack(state, len(answer)))
        _write(line, answer)


def confine(program: Program) -> int:
    """Drop the rights that the work does not need. This is irreversible, because the hard limits are lowered, too.

    Returns how much address space the process may have, in bytes.
    """
    try:
        most = _address_space("VmSize") + program.memory
    except OSError:  # not Linux: the program's own limit alone
        most = program.memory
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, most)
    # SIGXCPU first, which names the reason; a second later SIGKILL, in case SIGXCPU is blocked.
    spent = int(sum(os.times()[:2])) + 1
    _limit(resource.RLIMIT_CPU, spent + program.cpu_seconds, spent + program.cpu_seconds + 1)
    if program.sealed:
        _limit(resource.RLIMIT_FSIZE, 0)
        if not threads_only.apply():
            _limit(resource.RLIMIT_NPROC, 0)
        # No new descriptor: no file, no socket, no pipe. Open ones continue to work.
        _limit(resource.RLIMIT_NOFILE, 0)
    return most


def _for_want_of_memory(error: BaseException | None, nearly_all: int) -> bool:
    """Whether memory was nearly used up. This tells an out-of-memory error, which libraries report as many
    different errors."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        error = error.__cause__ or error.__context__
    try:
        return _address_space("VmPeak") > nearly_all
    except OSError:  # sealed: no file can be opened
        return False


def _limit(what: int, most: int, hard: int | None = None) -> None:
    _, above = resource.getrlimit(what)
    wanted = most if hard is None else hard
    if above != resource.RLIM_INFINITY:
        wanted, most = min(wanted, above), min(most, above)
    resource.setrlimit(what, (most, wanted))


def _address_space(what: str) -> int:
    """The current (VmSize) or maximum (VmPeak) size of this process, in bytes. Raises OSError where it is unknown."""
    with open("/proc/self/status", "rb") as file:
        line = next(line for line in file if line.startswith(what.encode()))
    return int(line.split()[1]) * 1024


def _read(line: int) -> bytes:
    pieces = []
    while piece := os.read(line, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def _write(line: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(line, rest) :]


if __name__ == "__main__":
    main(*sys.argv[1:])
