"""A program for `csss.confinement.parent` that does what nobody should: what it is asked, word by word."""

import os
import resource
import socket
import sys
import threading
import time
from pathlib import Path


def warm_up() -> None:
    pass


def answer(request: bytes) -> bytes:
    word, _, rest = request.partition(b" ")
    return WORDS[word](rest)


def _memory(rest: bytes) -> bytes:
    return b"%d" % len(bytearray(int(rest)))


def _spin(_: bytes) -> bytes:
    while True:
        pass


def _sleep(_: bytes) -> bytes:
    time.sleep(600)
    return b""


def _signal(rest: bytes) -> bytes:
    os.kill(os.getpid(), int(rest))
    return b""


def _half(_: bytes) -> bytes:
    os.write(0, b"+\0\0\0\0\0\0\0\5he")
    os._exit(0)


def _file(_: bytes) -> bytes:
    return Path(__file__).read_bytes()


def _socket(_: bytes) -> bytes:
    socket.socket()
    return b"a socket"


def _fork(_: bytes) -> bytes:
    if os.fork() == 0:
        os._exit(0)
    return b"a process"


def _program(_: bytes) -> bytes:
    os.execv("/bin/true", ["true"])


def _thread(_: bytes) -> bytes:
    done: list[bytes] = []
    thread = threading.Thread(target=lambda: done.append(b"done"))
    thread.start()
    thread.join()
    return done[0]


def _fail(_: bytes) -> bytes:
    raise ValueError("that was nothing")


def _open_files(_: bytes) -> bytes:
    found = []
    for number in range(256):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return b" ".join(b"%d" % number for number in found)


WORDS = {
    b"echo": lambda rest: rest,
    b"pid": lambda _: b"%d" % os.getpid(),
    b"memory": _memory,
    b"spin": _spin,
    b"sleep": _sleep,
    b"signal": _signal,
    b"half": _half,
    b"large": lambda rest: bytes(int(rest)),
    b"file": _file,
    b"socket": _socket,
    b"fork": _fork,
    b"program": _program,
    b"thread": _thread,
    b"fail": _fail,
    b"fds": _open_files,
    b"environment": lambda _: "\n".join(f"{k}={v}" for k, v in os.environ.items()).encode(),
    b"modules": lambda _: " ".join(sys.modules).encode(),
    b"nice": lambda _: b"%d" % os.getpriority(os.PRIO_PROCESS, 0),
    b"limits": lambda _: b"%d %d" % resource.getrlimit(resource.RLIMIT_CORE),
}
