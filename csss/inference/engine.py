"""Run the classifier: the bytes of a picture in, a prediction out. Runs LiteRT on the CPU."""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from csss.inference.gradcam import ClassifierHead, Linear, finding_map, grad_cam
from csss.inference.labels import (
    LATERAL,
    NO_FINDING,
    UNCERTAIN,
    UNLIKE,
    Finding,
    ModelCorrupt,
    ModelInfo,
    read_checked,
    read_info,
)
from csss.inference.outliers import Outliers
from csss.inference.preprocessing import preprocess
from csss.inference.scaling import calibrate

MAX_THREADS = 2
"""More threads than this gain nothing on one 224 x 224 picture."""


@dataclass(frozen=True)
class Result:
    """One prediction.

    `label` is "Uncertain" when `uncertain`, otherwise `top_label`, the class of the highest probability.
    `probabilities` are calibrated and in class order. `reason` is a sentence or two for the doctor, None when
    certain. `heatmap` is the Grad-CAM map for `top_label` on the feature map's grid (7 x 7), float32 in 0..1, or
    None when not requested. `outlier_score` is the distance from the training pictures, None when the model has no
    outlier score. `mean_grey` and `contrast` are mean and standard deviation of the pixels in 0..1 as the network saw them.

    `view` is the probability of each thing that the picture can be. `findings` are calibrated probabilities of the findings
    that this model shows, by name, and `no_finding` that of none; both are None for a picture that is no frontal chest
    X-ray, and for a model without them. `finding_thresholds` has for each of them, and for `No_Finding`, the probability
    from which on it counts. `finding_maps` has a map like `heatmap` for each of `findings`, if requested.
    """

    label: str
    top_label: str
    confidence: float
    probabilities: dict[str, float]
    threshold_used: float
    uncertain: bool
    reason: str | None
    model_version: str
    model_input_size: str
    latency_ms: float
    heatmap: NDArray[np.float32] | None
    outlier_score: float | None = None
    view: dict[str, float] | None = None
    findings: dict[str, float] | None = None
    no_finding: float | None = None
    finding_thresholds: dict[str, float] | None = None
    finding_maps: dict[str, NDArray[np.float32]] | None = None
    mean_grey: float | None = None
    contrast: float | None = None


class Output(NamedTuple):
    """What the network itself says of a picture.

    `probabilities` are uncalibrated (classes), `feature_map` is (height, width, channels). `statistics` are mean and
    standard deviation of each channel of earlier layers, as one row; None for a network without them.
    """

    probabilities: NDArray[np.float32]
    feature_map: NDArray[np.float32]
    statistics: NDArray[np.float32] | None = None

    @property
    def compared(self) -> NDArray[np.float32]:
        """What the outlier score compares with the training pictures."""
        return self.feature_map.mean(axis=(0, 1)) if self.statistics is None else self.statistics


def _counts(finding: Finding) -> bool:
    return finding.shown or finding.name == NO_FINDING


def usable_cores() -> int:
    """Number of cores that this process may use; in a container fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def uncertainty_reason(confidence: float, threshold: float) -> str | None:
    """Why a prediction is uncertain, or None. It is uncertain when the confidence is below the threshold, not when
    equal."""
    if confidence >= threshold:
        return None
    shown, limit = f"{confidence:.0%}", f"{threshold:.0%}"
    if shown == limit:  # 74.97 % must not become "75 % is below 75 %"
        shown, limit = f"{int(confidence * 10000) / 100:.2f}%", f"{threshold * 100:.2f}%"
    return f"The highest probability, {shown[:-1]} %, is below the threshold of {limit[:-1]} %."


class Engine:
    """A loaded model. `predict` is thread-safe; concurrent calls run one after the other."""

    def __init__(  # noqa: PLR0917 - `load` is the way in
        self,
        info: ModelInfo,
        model: bytes,
        head: ClassifierHead,
        threshold: float,
        threads: int | None = None,
        outliers: Outliers | None = None,
    ) -> None:
        self.info = info
        self.threshold = threshold
        self.outliers = outliers
        self._head = head
        self._lock = threading.Lock()
        self._interpreter = Interpreter(
            model_content=model, num_threads=threads or min(MAX_THREADS, usable_cores())
        )
        self._interpreter.allocate_tensors()
        self._input = self._input_index()
        self._outputs = self._output_indices()

    @classmethod
    def load(
        cls,
        model_dir: Path | str | None = None,
        threshold: float | None = None,
        threads: int | None = None,
    ) -> "Engine":
        """Load a model folder; by default $CSSS_MODEL, otherwise the one named in `models/ACTIVE`.

        `threshold` overrides the folder's own. With `threads=1` LiteRT starts no threads of its own, so that a
        process may load the engine, fork, and predict in the child. Raises `ModelMissing`, `ModelCorrupt`, and
        `ValueError` for a threshold outside 0..1.
        """
        info = read_info(model_dir)
        limit = info.threshold if threshold is None else float(threshold)
        if not 0 <= limit <= 1:
            raise ValueError(f"The threshold must lie between 0 and 1, not at {limit}.")
        model = read_checked(info.folder, info.model_file, info.model_sha256)
        head = read_checked(info.folder, info.head_file, info.head_sha256)
        strange = (
            read_checked(info.folder, info.outliers_file, info.outliers_sha256)
            if info.outliers_file
            else None
        )
        try:
            outliers = Outliers.from_bytes(strange) if strange is not None else None
            return cls(info, model, ClassifierHead.from_bytes(head), limit, threads, outliers)
        except (ValueError, KeyError, OSError, RuntimeError) as error:
            raise ModelCorrupt(
                f"The model in {info.folder} cannot be loaded ({error}). Restore the model folder from its source, "
                "or create it again with `python -m training export`."
            ) from error

    def predict(self, image_bytes: bytes, heatmap: bool = True) -> Result:
        """Classify one picture, JPEG or PNG. Raises `UndecodableImage`."""
        start = time.perf_counter()
        info = self.info
        picture = preprocess(image_bytes, info.width, info.height, info.resize)
        output = self.run(picture)
        feature_map = output.feature_map
        probabilities = calibrate(output.probabilities.astype(np.float64), info.temperature, info.bias)
        top = int(np.argmax(probabilities))
        confidence = float(probabilities[top])
        score = self.outlier_score(output)
        unlike = score is not None and score > info.outliers_threshold
        view = self.view(feature_map)
        seen = view and max(view, key=view.__getitem__)
        strange = LATERAL if seen == "lateral_chest" else UNLIKE if unlike or seen == "none" else None
        below = uncertainty_reason(confidence, self.threshold)
        reason = " ".join(sentence for sentence in (strange, below) if sentence) or None
        cam = self.class_map(feature_map, top) if heatmap else None
        said = self.findings(feature_map) if seen == "frontal_chest" and not strange else None
        return Result(
            label=UNCERTAIN if reason else info.names[top],
            top_label=info.names[top],
            confidence=confidence,
            probabilities=dict(zip(info.names, probabilities.tolist(), strict=True)),
            threshold_used=self.threshold,
            uncertain=reason is not None,
            reason=reason,
            model_version=info.version,
            model_input_size=info.input_size,
            latency_ms=(time.perf_counter() - start) * 1000,
            heatmap=cam,
            outlier_score=score,
            view=view,
            findings=said and {each.name: said[each.name] for each in info.findings[:-1] if each.shown},
            no_finding=said[NO_FINDING] if said else None,
            finding_thresholds=said
            and {each.name: each.threshold for each in info.findings if _counts(each)},
            finding_maps=self._finding_maps(feature_map, self._head.findings) if said and heatmap else None,
            mean_grey=float(picture.mean()),
            contrast=float(picture.std()),
        )

    def view(self, feature_map: NDArray[np.float32]) -> dict[str, float] | None:
        """The probability of each thing that the picture can be; None for a network that does not say it."""
        if self._head.view is None:
            return None
        logits = self._head.view.logits(feature_map.mean(axis=(0, 1)))
        shares = np.exp(logits - logits.max())
        return dict(zip(self.info.views, (shares / shares.sum()).tolist(), strict=True))

    def findings(self, feature_map: NDArray[np.float32]) -> dict[str, float] | None:
        """The calibrated probability of each finding, shown or not, and of none; None for a network without them."""
        if self._head.findings is None:
            return None
        logits = self._head.findings.logits(feature_map.mean(axis=(0, 1)))
        names = (each.name for each in self.info.findings)
        return dict(zip(names, (1 / (1 + np.exp(-logits))).tolist(), strict=True))

    def _finding_maps(
        self, feature_map: NDArray[np.float32], layer: Linear | None
    ) -> dict[str, NDArray[np.float32]] | None:
        if layer is None:
            return None
        shown = [(place, each) for place, each in enumerate(self.info.findings[:-1]) if each.shown]
        return {each.name: finding_map(feature_map, layer, place) for place, each in shown}

    def class_map(self, feature_map: NDArray[np.float32], index: int) -> NDArray[np.float32]:
        """The Grad-CAM map (height, width) in 0..1 of the class with that number.

        Of two heads, both have an output for Normal; the one for hearts is the last.
        """
        view = self.view(feature_map) if self.info.names[index] == "Normal" else None
        if view and view["cardiac_mri"] > view["frontal_chest"] + view["lateral_chest"]:
            return grad_cam(feature_map, self._head, len(self.info.labels))
        return grad_cam(feature_map, self._head, index)

    def outlier_score(self, output: Output) -> float | None:
        """Distance of a picture from the training pictures; None without an outlier score."""
        if self.outliers is None:
            return None
        return float(self.outliers.scores(output.compared[np.newaxis])[0])

    def run(self, picture: NDArray[np.float32]) -> Output:
        """Run the network alone on a picture (height, width, 3) in 0..1."""
        with self._lock:
            self._interpreter.set_tensor(self._input, picture[np.newaxis])
            self._interpreter.invoke()
            return Output(*(self._interpreter.get_tensor(index)[0] for index in self._outputs))

    def _input_index(self) -> int:
        details = self._interpreter.get_input_details()[0]
        wanted = (1, self.info.height, self.info.width, self.info.channels)
        if tuple(details["shape"]) != wanted:
            raise ValueError(f"its input is {tuple(details['shape'])}, labels.json says {wanted}")
        return int(details["index"])

    def _output_indices(self) -> list[int]:
        """Indices in the order of `Output`. The converter guarantees no order, so distinguish the outputs by their shape."""
        outputs = self._interpreter.get_output_details()
        maps = [each for each in outputs if len(each["shape"]) == 4]
        rows = [each for each in outputs if len(each["shape"]) == 2]
        classes = [each for each in rows if each["shape"][1] == len(self.info.labels)]
        statistics = [each for each in rows if each["shape"][1] != len(self.info.labels)]
        if len(rows) == 1 and not classes:
            raise ValueError("the number of classes is not the one in labels.json")
        if (len(maps), len(classes)) != (1, 1) or len(statistics) > 1:
            raise ValueError("it must have the outputs probabilities, feature map and, if any, statistics")
        channels = maps[0]["shape"][3]
        if channels != self._head.hidden_kernel.shape[0]:
            raise ValueError("the feature map does not fit the dense layers")
        further = ((self._head.view, self.info.views), (self._head.findings, self.info.findings))
        if any((0 if layer is None else len(layer.bias)) != len(names) for layer, names in further):
            raise ValueError("views or findings of labels.json do not fit the dense layers")
        if self._head.output_kernel.shape[1] != len(self.info.labels) + bool(self.info.views):
            raise ValueError("the dense layers do not fit the classes")
        compared = statistics[0]["shape"][1] if statistics else channels
        if self.outliers is not None and compared != self.outliers.centre.shape[0]:
            raise ValueError("the outlier score does not fit the network's outputs")
        return [int(each["index"]) for each in (*classes, *maps, *statistics)]
