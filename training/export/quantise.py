"""Try int8: whether the network is as good, and faster, with 8-bit weights and activations.

This is post-training quantisation with a representative set of training images, by LiteRT's converter; inputs and
outputs stay float32, so that the engine accepts either file. It is worth releasing only if it costs less than half
a point of macro-F1 on the validation images, is faster, and changes no probability by more than the parity limit of
export.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from tqdm import tqdm

from csss.inference.engine import MAX_THREADS, usable_cores
from csss.inference.labels import ModelInfo
from csss.inference.preprocessing import preprocess
from training.data.dataset import Image
from training.json_files import rounded
from training.measuring.metrics import macro_f1

REPRESENTATIVE = 240
MOST_LOST = 0.005
"""Maximum loss of macro-F1 for int8."""
ROUNDS = 40


def to_int8(model: Any, pictures: Sequence[NDArray[np.float32]]) -> bytes:
    """Convert a Keras model to LiteRT with int8 weights and activations; `pictures` (height, width, 3) set the ranges."""

    def representative() -> Iterator[list[NDArray[np.float32]]]:
        for picture in pictures:
            yield [picture[np.newaxis]]

    picture = keras.Input(model.input_shape[1:], batch_size=1, name="picture")
    whole = keras.Model(picture, model(picture, training=False))
    with tempfile.TemporaryDirectory() as folder:
        whole.export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        return bytes(converter.convert())


class _Runner:
    """Runs a LiteRT file: (height, width, 3) to probabilities (classes)."""

    def __init__(self, content: bytes) -> None:
        self.interpreter = Interpreter(model_content=content, num_threads=min(MAX_THREADS, usable_cores()))
        self.interpreter.allocate_tensors()
        self.source = self.interpreter.get_input_details()[0]["index"]
        (self.target,) = (
            each["index"] for each in self.interpreter.get_output_details() if len(each["shape"]) == 2
        )

    def __call__(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        self.interpreter.set_tensor(self.source, picture[np.newaxis])
        self.interpreter.invoke()
        found: NDArray[np.float32] = self.interpreter.get_tensor(self.target)[0]
        return found


def _milliseconds(runners: Sequence[_Runner], picture: NDArray[np.float32]) -> list[float]:
    """Median time of one call for each, measured alternately so that a busy machine affects both equally."""
    times: list[list[float]] = [[] for _ in runners]
    for _ in range(ROUNDS):
        for runner, kept in zip(runners, times, strict=True):
            start = time.perf_counter()
            runner(picture)
            kept.append((time.perf_counter() - start) * 1000)
    return [statistics.median(row) for row in times]


def trial(
    model: Any, info: ModelInfo, data: Path, learned: Sequence[Image], known: Sequence[Image], *, limit: float
) -> tuple[bytes, dict[str, Any]]:
    """The int8 file and its comparison with the released one, on the validation images `known`.

    `learned` are training images, of which evenly spaced ones set the ranges; `limit` is the largest difference of
    a probability that export allows.
    """

    def read(image: Image) -> NDArray[np.float32]:
        return preprocess((data / image.path).read_bytes(), info.width, info.height, info.resize)

    chosen = learned[:: max(1, len(learned) // REPRESENTATIVE)][:REPRESENTATIVE]
    content = to_int8(model, [read(image) for image in chosen])
    shipped = (info.folder / info.model_file).read_bytes()
    runners = [_Runner(shipped), _Runner(content)]
    found: list[list[NDArray[np.float32]]] = [[], []]
    for image in tqdm(known, desc="int8", unit="image"):
        picture = read(image)
        for runner, kept in zip(runners, found, strict=True):
            kept.append(runner(picture))
    truth = np.array([info.names.index(image.label) for image in known])
    ours, eight = (np.stack(rows).astype(np.float64) for rows in found)
    scores = [macro_f1(truth, ours), macro_f1(truth, eight)]
    times = _milliseconds(runners, read(known[0]))
    moved = float(np.abs(ours - eight).max())
    refused = [
        reason
        for reason, true in {
            f"it costs {MOST_LOST:.3f} or more of macro-F1": scores[0] - scores[1] >= MOST_LOST,
            "it is no faster": times[1] >= times[0],
            f"a probability moves by more than {limit:g}": moved > limit,
        }.items()
        if true
    ]
    record = {
        "representative": len(chosen),
        "images": len(known),
        "macro_f1": scores[0],
        "macro_f1_int8": scores[1],
        "lost": scores[0] - scores[1],
        "same_label": float((ours.argmax(axis=1) == eight.argmax(axis=1)).mean()),
        "max_probability_difference": moved,
        "milliseconds": times[0],
        "milliseconds_int8": times[1],
        "bytes": len(shipped),
        "bytes_int8": len(content),
        "shipped": not refused,
        "refused_because": refused,
    }
    return content, dict(rounded(record))
