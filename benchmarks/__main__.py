"""Print one table: task, budget, measured value. Nothing is asserted; values over budget are marked."""

import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import live, live_layers, pages, streams, uploads, visits
from benchmarks.inference import bench_inference
from benchmarks.report import bench_report

Row = tuple[str, str, str]
GROUPS: dict[str, Callable[[Path], list[Row]]] = {
    "inference": lambda folder: bench_inference(),
    "report": lambda folder: bench_report(),
    "uploads": uploads.bench_uploads,
    "pages": pages.bench_pages,
    "live": live.bench_live,
    "visits": visits.bench_visits,
    "streams": streams.bench_streams,
    "live_layers": live_layers.bench_live_layers,
}


def main() -> None:
    wanted = sys.argv[1:] or list(GROUPS)
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n", flush=True)
    print(f"{'what':<74} {'budget':>12}  measured")
    over: list[str] = []
    with tempfile.TemporaryDirectory(prefix="csss-bench-") as folder:
        for name in wanted:
            place = Path(folder) / name
            place.mkdir()
            for what, budget, measured in GROUPS[name](place):
                late = is_over(budget, measured)
                over += [what] if late else []
                print(f"{what:<74} {budget:>12}  {measured}{'   OVER' if late else ''}", flush=True)
    print(f"\nOver budget: {'; '.join(over)}" if over else "\nNothing is over budget.")


def is_over(budget: str, measured: str) -> bool:
    """Whether a value such as "7.4 ms" exceeds a budget such as "≤ 60 ms" or "≥ 5 ×" (same unit in both)."""
    wanted, found = list(_numbers(budget)), list(_numbers(measured))
    if not wanted or not found:
        return False
    return found[0] > wanted[0] if budget.startswith(("≤", "<")) else found[0] < wanted[0]


def _numbers(text: str) -> Iterator[float]:
    for number in re.findall(r"\d+(?:\.\d+)?", text.replace(",", "")):
        yield float(number)


if __name__ == "__main__":
    main()
