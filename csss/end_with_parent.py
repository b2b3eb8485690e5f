"""Becomes a command that ends when its parent does, however the parent ends: `end_with_parent.py PARENT COMMAND…`.

`PARENT` is the process id of who starts it. It is told with SIGTERM, as by a parent that stops in order. On systems other
than Linux the command runs all the same, and outlives a parent that was killed.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h; holds across exec


def main(parent: int, command: list[str]) -> None:
    """Returns only when the parent is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == parent:
        os.execvp(command[0], command)  # noqa: S606 - a command of our own  # nosec B606


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
