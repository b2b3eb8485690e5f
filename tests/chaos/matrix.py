"""The list of all faults. Each is a function that does its harm once (or so many times together), waits until the system
is well again, and returns how many seconds that took each time; it fails with a sentence otherwise."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.world import Chaos

DATABASES = ("sqlite", "postgresql")
Run = Callable[[Chaos, int], list[float]]


@dataclass(frozen=True)
class Fault:
    """`together` is how often it can be done at once, each time to a worker and a job of its own."""

    name: str
    about: str
    run: Run
    together: int = 1
    databases: tuple[str, ...] = DATABASES


FAULTS: dict[str, Fault] = {}


def fault(
    name: str, about: str, *, together: int = 1, databases: tuple[str, ...] = DATABASES
) -> Callable[[Run], Run]:
    def enter(run: Run) -> Run:
        FAULTS[name] = Fault(name, about, run, together, databases)
        return run

    return enter
