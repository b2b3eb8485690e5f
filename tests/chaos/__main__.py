"""`python -m tests.chaos`: does every fault so many times on both databases and prints what came of it."""

import argparse
import statistics
import subprocess
import sys
import tempfile
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import faults_around, faults_of_pages, faults_of_workers  # noqa: F401 - they enter the list
from tests.chaos.failure import Failed
from tests.chaos.matrix import DATABASES, FAULTS, Fault
from tests.chaos.world import Chaos, chaos

WIDTHS = (22, 11, 6, 8, 8)


@dataclass
class Verdict:
    """What came of one fault on one database."""

    fault: Fault
    database: str
    seconds: list[float] = field(default_factory=list)
    problem: str = ""

    def judge(self, within: float) -> str:
        if self.problem:
            return f"FAILED: {self.problem}"
        late = sum(took > within for took in self.seconds)
        return f"LATE {late} times (over {within:.0f} s)" if late else "ok"

    def line(self, within: float) -> str:
        worst = f"{max(self.seconds):.1f} s" if self.seconds else "–"
        median = f"{statistics.median(self.seconds):.1f} s" if self.seconds else "–"
        cells = (self.fault.name, self.database, str(len(self.seconds)), worst, median)
        return (
            " ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
            + f" {self.judge(within)}"
        )


def main() -> None:
    options = _options()
    if options.list:
        for each in FAULTS.values():
            print(f"{each.name:<22} {each.about}")
        return
    wanted = options.fault or list(FAULTS)
    databases = DATABASES if options.database == "both" else (options.database,)
    if options.part:  # one of several beside each other
        sys.exit(_on(databases[0], [FAULTS[name] for name in wanted], options.times, options.within) > 0)
    heads = ("fault", "database", "times", "worst", "median")
    print(
        " ".join(f"{head:<{width}}" for head, width in zip(heads, WIDTHS, strict=True)) + " verdict",
        flush=True,
    )
    parts = [
        [*(("--fault", name) for name in names), ("--database", database)]
        for database in databases
        for names in (wanted[start :: options.beside] for start in range(options.beside))
        if names
    ]
    with ThreadPoolExecutor(len(parts)) as pool:
        harmed = sum(pool.map(lambda part: _begin(part, options), parts))
    print("\nThere was harm: see above." if harmed else "\nNothing was lost, and nothing was done twice.")
    sys.exit(1 if harmed else 0)


def _begin(part: list[tuple[str, str]], options: argparse.Namespace) -> int:
    """A process of its own with systems of its own; 1 when there was harm, or when it died."""
    more = ["--times", str(options.times), "--within", str(options.within), "--part"]
    words = [word for pair in part for word in pair]
    return int(
        subprocess.run([sys.executable, "-m", "tests.chaos", *words, *more], check=False).returncode != 0
    )


def _on(database: str, faults: list[Fault], times: int, within: float) -> int:
    """Every fault on one system; after a fault that did harm the next one gets a fresh system."""
    bad, left = 0, [each for each in faults if database in each.databases]
    while left:
        with (
            tempfile.TemporaryDirectory(prefix="csss-chaos-") as folder,
            chaos(Path(folder), database) as world,
        ):
            while left:
                verdict = _try(world, left.pop(0), times)
                print(verdict.line(within), flush=True)
                if verdict.judge(within) != "ok":
                    bad += 1
                if verdict.problem:
                    _tell(world)
                    break
    return bad


def _try(world: Chaos, fault: Fault, times: int) -> Verdict:
    verdict = Verdict(fault, world.database)
    while len(verdict.seconds) < times:
        together = min(fault.together, times - len(verdict.seconds))
        try:
            verdict.seconds += fault.run(world, together)
        except Failed as failed:
            verdict.problem = str(failed)
            return verdict
        except Exception as error:
            traceback.print_exc()
            verdict.problem = f"{type(error).__name__}: {error}"
            return verdict
        finally:
            world.put_right()
    return verdict


def _tell(world: Chaos) -> None:
    """The end of the logs of a system that has been harmed."""
    print(world.stack.logs()[-8000:], file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--fault", action="append", choices=list(FAULTS), help="only this one (repeat for more)"
    )
    parser.add_argument("--times", type=int, default=20, help="how often each (default 20)")
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both")
    parser.add_argument(
        "--within", type=float, default=30.0, help="seconds within which all must be well (30)"
    )
    parser.add_argument(
        "--beside", type=int, default=1, help="systems beside each other, for each database (1)"
    )
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--list", action="store_true", help="name the faults and do nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
