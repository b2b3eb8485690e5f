"""The application's source as syntax trees, parsed once in a process and only when a test asks.

Each process of a run imports every file of tests, so what these files do when they are imported is done by all of them.
"""

import ast
from functools import cache
from pathlib import Path

from csss.paths import ROOT


@cache
def trees() -> dict[Path, ast.Module]:
    """By their path in the repository."""
    return {
        file.relative_to(ROOT): ast.parse(file.read_text("utf-8"))
        for file in sorted((ROOT / "csss").rglob("*.py"))
    }
