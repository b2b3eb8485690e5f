"""What the fault matrix puts into the processes of CSSS from outside, by PYTHONPATH; nothing of it is in CSSS itself.

Python imports this module at start-up. It lets the harness, through files in the folder `CHAOS`:

- stop a process at a point: `hold/<point>` exists, so whoever gets there notes its process id in `at/<point>-<pid>` and
  waits until the file is gone (points are listed in POINTS: before or after a function is called);
- make a function fail: `fail/<point>` exists;
- set the clock: `clock` holds the seconds by which it is wrong.
"""

import functools
import importlib.abc
import importlib.machinery
import os
import sys
import time
from pathlib import Path

# point -> module, function (or Class.method), whether it is before or after the call
POINTS = {
    "job-taken": ("csss.jobs.runner", "perform", "before"),
    "before-inference": ("csss.jobs.scan_jobs", "analyse_scan", "before"),
    "during-inference": ("csss.inference.engine", "Engine.run", "after"),
    "after-inference": ("csss.scans.analysis", "keep_result", "before"),
    "keeping-result": ("csss.scans.analysis", "keep_result", "after"),
    "result-kept": ("csss.jobs.scan_jobs", "analyse_scan", "after"),
    "during-pdf": ("csss.reports.render", "typeset", "before"),  # in a child of the job's process
    "keeping-pdf": ("csss.reports.services", "keep_version", "before"),
    "mail-accepted": ("csss.notices.channels.email", "send", "after"),
    "upload-taken": ("csss.scans.intake", "take_in", "after"),
    "upload-stored": ("csss.scans.services", "submit_scan", "before"),
    "upload-submitted": ("csss.scans.services", "submit_scan", "after"),
    "mail-connecting": ("csss.notices.channels.email", "send", "before"),
}
FOLDER = os.environ.get("CHAOS", "")


def _stop_here(point: str) -> None:
    folder = Path(FOLDER)
    if (folder / "fail" / point).exists():
        raise RuntimeError(f"the fault matrix lets {point} fail")
    hold = folder / "hold" / point
    if not hold.exists():
        return
    note = folder / "at" / f"{point}-{os.getpid()}"
    note.touch()
    while hold.exists():
        time.sleep(0.02)
    note.unlink(missing_ok=True)


def _wrapped(function, points):
    @functools.wraps(function)
    def call(*args, **kwargs):
        for point, where in points:
            if where == "before":
                _stop_here(point)
        answer = function(*args, **kwargs)
        for point, where in points:
            if where == "after":
                _stop_here(point)
        return answer

    return call


def _equip(module):
    of = {}
    for point, (where, function, when) in POINTS.items():
        if where == module.__name__:
            of.setdefault(function, []).append((point, when))
    for path, points in of.items():
        owner, _, name = path.rpartition(".")
        holder = getattr(module, owner) if owner else module
        setattr(holder, name, _wrapped(getattr(holder, name), points))
    if module.__name__ == "csss.clock":
        _set_clock(module)


def _set_clock(module):
    """Every time that CSSS reads comes from `csss.clock.now`."""
    now, file = module.now, Path(FOLDER) / "clock"

    def wrong():
        try:
            return now() + module.timedelta(seconds=float(file.read_text()))
        except (FileNotFoundError, ValueError):
            return now()

    module.now = wrong


class _Loader(importlib.abc.Loader):
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        _equip(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Equips the modules of POINTS right after they have been executed, before anybody imports names from them."""

    _modules = {module for module, _, _ in POINTS.values()} | {"csss.clock"}

    def find_spec(self, name, path=None, target=None):
        if name not in self._modules:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


if FOLDER:
    sys.meta_path.insert(0, _Finder())
