"""Let a confined child start threads and nothing else: no process, no other program (Linux seccomp).

The limit on processes (RLIMIT_NPROC) counts threads, too, and does not hold for root. Some decoders (libde265) work in a
thread of their own, so the limit would end them.
"""

import ctypes
import errno
import platform
import struct

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # instructions of the filter
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_CALL, _MACHINE, _FLAGS = 0, 4, 16  # where these stand in what the filter is given
_THREAD = 0x00010000  # CLONE_THREAD
_CLONE3 = 435
_NO_FURTHER_TABLE = 0x40000000  # x86-64: calls from here on belong to another table

# Machine: its number, the call `clone`, and those that start a process or a program.
_MACHINES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "x86_64": (0xC000003E, 56, (57, 58, 59, 322)),
    "aarch64": (0xC00000B7, 220, (221, 281)),
}


def apply() -> bool:
    """Confine this process, for ever. False where it is not possible: another machine or system."""
    known = _MACHINES.get(platform.machine())
    if platform.system() != "Linux" or known is None:
        return False
    program = _program(*known)
    lines = ctypes.create_string_buffer(b"".join(program), 8 * len(program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(lines)))
    call = ctypes.CDLL(None).prctl
    call.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    return (
        call(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        and call(_PR_SET_SECCOMP, _FILTER, ctypes.addressof(head), 0, 0) == 0
    )


def _program(machine: int, clone: int, refused: tuple[int, ...]) -> list[bytes]:
    """`clone3` is said not to exist: its flags cannot be looked at, and the C library then uses `clone`."""
    lines = [
        _line(_LOAD, _MACHINE),
        _line(_EQUAL, machine, 1, 0),
        _line(_RETURN, _KILL),
        _line(_LOAD, _CALL),
        *_when(_AT_LEAST, _NO_FURTHER_TABLE, _ERROR | errno.EPERM),
        *_when(_EQUAL, _CLONE3, _ERROR | errno.ENOSYS),
    ]
    for call in refused:
        lines += _when(_EQUAL, call, _ERROR | errno.EPERM)
    return [
        *lines,
        _line(_EQUAL, clone, 1, 0),
        _line(_RETURN, _ALLOW),
        _line(_LOAD, _FLAGS),
        *_when(_ANY_BIT, _THREAD, _ALLOW),
        _line(_RETURN, _ERROR | errno.EPERM),
    ]


def _when(test: int, value: int, result: int) -> tuple[bytes, bytes]:
    return _line(test, value, 0, 1), _line(_RETURN, result)


def _line(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_so, if_not, value)
