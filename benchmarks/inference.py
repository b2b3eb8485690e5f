"""Measure time and memory of the engine and of the paper's own code path, each in a new process, one after the
other.

`make bench` calls `bench_inference()`; `python -m benchmarks.inference` prints the same rows. Only the standard
library is imported at the top, so that each child process measures its own import time.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROUNDS = 40
FOLDER = 200
"""Number of images in the folder for `csss predict`."""


def _scans() -> list[Path]:
    """The demo's synthetic scans, 512 pixels per side."""
    import csss

    return sorted((Path(csss.__file__).parent / "demo" / "scans").glob("*.jpg"))


def _memory_mb() -> float:
    """Resident memory of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmRSS line")


def _p50(action: Callable[[Path], object], files: list[Path]) -> float:
    """Median milliseconds over `ROUNDS` calls, after two to warm up."""
    times = []
    for number in range(ROUNDS + 2):
        start = time.perf_counter()
        action(files[number % len(files)])
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[2:])


def _rate(predict: Callable[[list[Path], Path | None], object], folder: Path, heatmaps: Path | None) -> float:
    """Images per second over a folder of `FOLDER` images, including written heat maps."""
    start = time.perf_counter()
    predict([folder], heatmaps)
    return FOLDER / (time.perf_counter() - start)


def measure_folder() -> dict[str, float]:
    """In this process: `csss predict FOLDER`, without and with `--heatmap`, in images per second."""
    from csss.inference.cli import predict_paths
    from csss.inference.engine import Engine

    engine, scans = Engine.load(), _scans()

    def predict(paths: list[Path], heatmaps: Path | None) -> object:
        return list(predict_paths(engine, paths, heatmaps))

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "scans"
        folder.mkdir()
        for number in range(FOLDER):
            shutil.copy(scans[number % len(scans)], folder / f"{number:03d}.jpg")
        predict([folder / "000.jpg"], None)
        return {
            "plain_rate": _rate(predict, folder, None),
            "heatmap_rate": _rate(predict, folder, Path(place) / "maps"),
        }


def measure_engine() -> dict[str, float]:
    """In this process: import, load, memory, and one scan without and with the heat map's PNG layer."""
    start = time.perf_counter()
    from csss.inference.engine import Engine
    from csss.inference.heatmap import heatmap_png

    imported = time.perf_counter()
    engine = Engine.load()
    loaded = time.perf_counter()

    def with_map(file: Path) -> bytes:
        result = engine.predict(file.read_bytes())
        assert result.heatmap is not None  # nosec B101  # for the type checker
        return heatmap_png(result.heatmap, 512, 512)

    files = _scans()
    plain = _p50(lambda file: engine.predict(file.read_bytes(), heatmap=False), files)
    return {
        "import_ms": (imported - start) * 1000,
        "load_ms": (loaded - imported) * 1000,
        "plain_ms": plain,
        "heatmap_ms": _p50(with_map, files),
        "memory_mb": _memory_mb(),
    }


def measure_paper() -> dict[str, float]:
    """In this process: the paper's path, `cv2.imread`, `cvtColor`, bilinear `resize`, `model.predict`, no heat map."""
    start = time.perf_counter()
    import cv2
    import numpy as np

    from csss.inference.labels import read_info
    from training.fitting.network import load_model

    imported = time.perf_counter()
    info = read_info()
    model = load_model(info.folder / "model.keras")
    loaded = time.perf_counter()

    def predict(file: Path) -> Any:
        bgr: Any = cv2.imread(str(file))
        resized = cv2.resize(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), (info.width, info.height))
        return model.predict(np.expand_dims(resized.astype(np.float32) / 255.0, 0), verbose=0)

    return {
        "import_ms": (imported - start) * 1000,
        "load_ms": (loaded - imported) * 1000,
        "plain_ms": _p50(predict, _scans()),
        "memory_mb": _memory_mb(),
    }


def _child(which: str) -> dict[str, float] | None:
    """The results of one side, measured in its own process; None when TensorFlow is not installed."""
    done = subprocess.run(  # noqa: S603 - our own module and two fixed words  # nosec B603
        [sys.executable, "-m", "benchmarks.inference", which],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        if "No module named 'tensorflow'" in done.stderr or "No module named 'keras'" in done.stderr:
            return None
        raise RuntimeError(f"The benchmark `{which}` failed:\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def bench_inference() -> list[tuple[str, str, str]]:
    """Rows of (what, budget, measured) for the budgets table."""
    ours, many = _child("engine"), _child("folder")
    if ours is None or many is None:
        raise RuntimeError("The engine must not need TensorFlow.")
    paper = _child("paper")
    start = ours["import_ms"] + ours["load_ms"]
    rows = [
        ("engine: import and model load", "≤ 1.5 s", f"{start / 1000:.2f} s (load {ours['load_ms']:.0f} ms)"),
        ("engine: memory of a process that uses it", "≤ 200 MB", f"{ours['memory_mb']:.0f} MB"),
        (
            f"csss predict, a folder of {FOLDER} images, no heat maps",
            "≥ 40 /s",
            f"{many['plain_rate']:.0f} /s",
        ),
        (
            f"csss predict, a folder of {FOLDER} images, heat maps",
            "≥ 20 /s",
            f"{many['heatmap_rate']:.0f} /s",
        ),
        ("one scan, decode and network, p50", "-", f"{ours['plain_ms']:.1f} ms"),
        ("one scan, decode, network and heat map PNG, p50", "-", f"{ours['heatmap_ms']:.1f} ms"),
    ]
    if paper is None:
        return [
            *rows,
            ("faster than the paper's code path", "≥ 5 ×", "not measured: TensorFlow is not installed"),
        ]
    return [
        *rows,
        (
            "the paper's code path (cv2 + Keras predict), p50",
            "-",
            f"{paper['plain_ms']:.1f} ms, {paper['memory_mb']:.0f} MB, "
            f"{(paper['import_ms'] + paper['load_ms']) / 1000:.1f} s to start",
        ),
        (
            "faster than the paper's code path (heat map included)",
            "≥ 5 ×",
            f"{paper['plain_ms'] / ours['heatmap_ms']:.1f} ×",
        ),
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["engine"]:
        print(json.dumps(measure_engine()))
    elif sys.argv[1:] == ["folder"]:
        print(json.dumps(measure_folder()))
    elif sys.argv[1:] == ["paper"]:
        print(json.dumps(measure_paper()))
    else:
        for what, budget, measured in bench_inference():
            print(f"{what:<56}{budget:>10}   {measured}")
