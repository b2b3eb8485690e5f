"""The classifier at run time: `from csss.inference import Engine; Engine.load().predict(image_bytes)`.

It knows neither Flask nor the database nor TensorFlow. The names below are imported on first use, so that a web
process that needs only the labels (`csss.inference.labels`) does not load LiteRT.
"""

import os
from typing import TYPE_CHECKING, Any

# numpy reads this when it is imported, and nothing imports it before. A prediction multiplies small matrices: one
# thread needs 0.05 ms. Two threads wait until both get a core, which takes many milliseconds on a busy machine, and
# a forked child must start the second one again.
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
