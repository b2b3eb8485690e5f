"""Keep child processes running: one per queue, and for the demo the web server and Redis, too.

They end with the supervisor, however it ends (`csss.end_with_parent`).
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from csss import end_with_parent

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0  # before a dead child is restarted
STOP_SECONDS = 10.0  # for a child to finish its work
REFUSED = (
    78  # how a child of ours ends that was refused, for example for a wrong key (EX_CONFIG of sysexits.h)
)
TRIES = 3  # of a child that is refused; somebody may just be exchanging a key or a model


class GaveUp(Exception):
    """A child was refused again and again; the message is a sentence for the person who started it."""


@dataclass
class Child:
    """A command that must be running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def csss(cls, *arguments: str, name: str, environment: Mapping[str, str] | None = None) -> "Child":
        """One of our own commands, run with this Python."""
        return cls(name, [sys.executable, "-m", "csss", "--started-by-csss", *arguments], environment or {})


class Supervisor:
    """Starts the children, restarts dead ones, and stops them all on SIGTERM or SIGINT.

    `held` are open files that the children inherit: a lock on one of them lasts until the last child has ended.
    """

    def __init__(self, children: Sequence[Child], *, held: Sequence[int] = ()) -> None:
        self._children, self._held = list(children), tuple(held)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._restart_at: dict[str, float] = {}
        self._refused: dict[str, int] = {}  # how often in a row
        self._stopping = False

    def run(self, *, ready: Callable[[], bool] | None = None) -> None:
        """Run until told to stop. `ready` is called twice a second until it returns True.

        Raises GaveUp, with all children stopped, when one is refused `TRIES` times in a row: another try would not help.
        """
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._ask_to_stop)
        try:
            for child in self._children:
                self._start(child)
            waiting = ready
            while not self._stopping:
                if waiting is not None and waiting():
                    waiting = None
                self._look_after()
                time.sleep(0.5 if waiting else 0.2)
        finally:
            self._stop_all()

    def _ask_to_stop(self, _: int, __: FrameType | None) -> None:
        self._stopping = True

    def _start(self, child: Child) -> None:
        # A separate process group: Ctrl-C reaches only us, and we stop the children in order.
        self._running[child.name] = subprocess.Popen(  # noqa: S603 - our own commands  # nosec B603
            [sys.executable, "-I", "-S", end_with_parent.__file__, str(os.getpid()), *child.command],
            env={**os.environ, **child.environment},
            start_new_session=True,
            pass_fds=self._held,
        )

    def _look_after(self) -> None:
        for child in self._children:
            process = self._running[child.name]
            if process.poll() is None:
                continue
            if child.name not in self._restart_at:
                self._count(child, process.returncode)
            due = self._restart_at.setdefault(child.name, time.monotonic() + PAUSE_SECONDS)
            if time.monotonic() >= due:
                log.warning("%s ended with %s; starting it again", child.name, process.returncode)
                del self._restart_at[child.name]
                self._start(child)

    def _count(self, child: Child, ended_with: int) -> None:
        self._refused[child.name] = self._refused.get(child.name, 0) + 1 if ended_with == REFUSED else 0
        if self._refused[child.name] >= TRIES:
            raise GaveUp(
                f"{child.name} was refused {TRIES} times, for the reason above. Everything has been stopped: mend that, "
                "and start again."
            )

    def _stop_all(self) -> None:
        for child in reversed(self._children):
            process = self._running.get(child.name)
            if process is not None and process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for name, process in self._running.items():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("%s does not stop; killing it", name)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
