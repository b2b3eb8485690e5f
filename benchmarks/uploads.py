"""Measure the cost of accepting a picture, and the part of the child process in it."""

import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from csss.scans import decoder, intake

RUNS = 9
PAUSE = 0.5  # pictures do not arrive back to back in practice: the next child is ready by then


def bench_uploads(folder: Path) -> list[tuple[str, str, str]]:
    """Rows of (what, budget, measured): a grey JPEG of 2 MB, p50 of 9."""
    content = picture()
    intake.warm_up()
    alone = statistics.median(_timed(lambda: decoder.rewrite(content)) for _ in range(RUNS))
    confined = statistics.median(
        _timed(lambda: intake.take_in(content, limit=10_000_000)) for _ in range(RUNS)
    )
    size = f"{len(content) / 1e6:.1f} MB"
    return [
        (f"a picture of {size} taken in by a child process, p50", "–", f"{confined * 1000:.0f} ms"),
        ("the same, what the child process adds", "≤ 150 ms", f"{max(0, confined - alone) * 1000:.0f} ms"),
    ]


def picture(side: int = 2200) -> bytes:
    """Soft shapes with the grain of an X-ray."""
    y, x = np.mgrid[0:side, 0:side]
    grain = np.random.default_rng(1).normal(0, 14, (side, side))
    grey = (127 + 80 * np.sin(x / 131) * np.cos(y / 123) + grain).clip(0, 255).astype(np.uint8)
    target = io.BytesIO()
    Image.fromarray(grey).save(target, "JPEG", quality=90)
    return target.getvalue()


def _timed(work: Callable[[], object]) -> float:
    time.sleep(PAUSE)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
