"""The classifier at run time: `from csss.inference import Engine; Engine.load().predict(image_bytes)`.

Knows neither Flask nor the database nor TensorFlow. The names below are loaded on first use, so that a web process
that only wants to know the labels (`csss.inference.labels`) does not load LiteRT.
"""

import os
from typing import TYPE_CHECKING, Any

# Read when numpy is loaded, which nothing does before. A prediction multiplies small matrices: one thread needs 0.05 ms
# for them, and two need as long as it takes until both have a core, which is many milliseconds where others work, too;
# and in a forked child the second one has to be started anew.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if TYPE_CHECKING:
    from csss.inference.engine import Engine, Result
    from csss.inference.labels import Label, ModelCorrupt, ModelInfo, ModelMissing
    from csss.inference.preprocessing import UndecodableImage

__all__ = ["Engine", "Label", "ModelCorrupt", "ModelInfo", "ModelMissing", "Result", "UndecodableImage"]

_HOME = {
    "Engine": "engine",
    "Result": "engine",
    "Label": "labels",
    "ModelCorrupt": "labels",
    "ModelInfo": "labels",
    "ModelMissing": "labels",
    "UndecodableImage": "preprocessing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
