"""What happens inside a child process that works on what strangers have sent: one request, one answer, the end.

The other side is `csss.confinement.parent`. A program is a module with two functions: `warm_up()` loads all that it will
need, and `answer(request)` turns bytes into bytes. It imports little: each child begins as a fresh interpreter.
"""

import errno
import os
import resource
import struct
import sys
from contextlib import suppress
from importlib import import_module
from typing import NamedTuple

HEAD = struct.Struct(">cQ")  # how it went, and how many bytes follow
DONE, NO_MEMORY, FAILED = b"+", b"m", b"!"


class Program(NamedTuple):
    """Which module does the work, and how much it may use for one request."""

    module: str
    memory: int  # bytes beyond what the program holds when it is warm
    cpu_seconds: int
    seconds: float  # by the clock, from the request to the end of the answer
    largest_answer: int  # bytes
    sealed: bool  # once warm it opens no file and no connection any more, and starts nothing


def main(*words: str) -> None:
    """In a fresh interpreter: standard input is the line to the parent."""
    module, memory, cpu_seconds, seconds, largest_answer, sealed = words
    program = Program(
        module, int(memory), int(cpu_seconds), float(seconds), int(largest_answer), sealed == "True"
    )
    work(program, 0)


def work(program: Program, line: int) -> None:
    """Take one request from `line`, answer it within the limits, and end; without a request just end."""
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
    with suppress(BrokenPipeError, ConnectionResetError):  # nobody waits any more
        _write(line, HEAD.pack(state, len(answer)))
        _write(line, answer)


def confine(program: Program) -> int:
    """Give up what the work does not need. None of it can be taken back: the hard limits go down as well.

    Returns how much memory the process may have, in bytes of address space.
    """
    try:
        most = _address_space("VmSize") + program.memory
    except OSError:  # not Linux: the allowance alone
        most = program.memory
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, most)
    # SIGXCPU first, which says why; a second later SIGKILL, should somebody have blocked it.
    spent = int(sum(os.times()[:2])) + 1
    _limit(resource.RLIMIT_CPU, spent + program.cpu_seconds, spent + program.cpu_seconds + 1)
    if program.sealed:
        _limit(resource.RLIMIT_FSIZE, 0)
        _limit(resource.RLIMIT_NPROC, 0)
        # No further descriptor: no file, no socket, no pipe. Those that are open go on working.
        _limit(resource.RLIMIT_NOFILE, 0)
    return most


def _for_want_of_memory(error: BaseException | None, nearly_all: int) -> bool:
    """Libraries turn a refused allocation into all sorts of errors; that memory was nearly used up gives it away."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        error = error.__cause__ or error.__context__
    try:
        return _address_space("VmPeak") > nearly_all
    except OSError:  # sealed: no file can be opened any more
        return False


def _limit(what: int, most: int, hard: int | None = None) -> None:
    _, above = resource.getrlimit(what)
    wanted = most if hard is None else hard
    if above != resource.RLIM_INFINITY:
        wanted, most = min(wanted, above), min(most, above)
    resource.setrlimit(what, (most, wanted))


def _address_space(what: str) -> int:
    """What this process has (VmSize) or had at most (VmPeak), in bytes. Raises OSError where nothing is told."""
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
