"""Run a command that ends when its parent does, however the parent ends: `end_with_parent.py PARENT COMMAND…`.

`PARENT` is the process id of the starting process. When the parent ends, the command gets SIGTERM, as in a normal
stop. On systems other than Linux the command runs without this, and outlives a parent that was killed.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h; holds across exec


def main(parent: int, command: list[str]) -> None:
    """Returns only when the parent has already ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == parent:
        os.execvp(command[0], command)  # noqa: S606 - a command of our own  # nosec B606


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
