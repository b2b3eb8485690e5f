"""Define the two recipes: `paper`, as published, and `csss`, ours. One code path trains both; only these values
differ."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    - `first_trained`: the first trained block of the base; None when the whole base is frozen.
    - `scaled`: the network includes the step from [0, 1] to [-1, 1], the input range of the base weights.
    - `passes`: how many augmented passes over the training images are stored and used in turn.
    - `balance`: how far sampling evens out the classes and kinds of scan: 0 takes each image once per epoch, 1
      takes each kind equally often, 0.5 is in between.
    - `panel`: how many teacher networks, each with another seed, train the released one (`training.fitting.distil`;
      0: none), for `taught_epochs`.
    - `weight_decay`: how much of a kernel is subtracted at each step besides the gradient (AdamW; 0: plain Adam).
    - `mixup`: the parameter of the beta distribution for mixing two images (0: no mixing).
    - `findings`: the loss weight of the labels besides the class (`training.data.findings`).
    - `averaged`: the mean of so many last epochs' weights is kept (0: the best epoch). With a falling learning rate the
      last epochs are the best, and the validation hearts are of too few patients to choose an epoch by.
    - `class_bias`: calibration fits a bias per class besides the temperature.
    - `more`: learns from the additional images, too (`training.data.collection`).
    - `compared`: the layers whose channels the outlier score compares, by mean and standard deviation; empty: it compares
      the pooled feature map. Layers that were trained little know pictures of new patients as well as those they learned.
    - `apart`: the network says first what the picture is, and has one head for chest X-rays and one for hearts
      (`training.fitting.heads`); without it, one head has all classes.
    """

    name: str
    scaled: bool
    first_trained: str | None
    augmentation: str
    passes: int
    balance: float
    label_smoothing: float
    panel: int
    taught_epochs: int
    weight_decay: float
    mixup: float
    findings: float
    dropout: float
    learning_rate: float
    warm_up_epochs: float
    cosine: bool
    batch: int
    epochs: int
    patience: int
    averaged: int
    monitor: str
    class_bias: bool
    more: bool
    apart: bool
    compared: tuple[str, ...]
    words: str

    def better(self, new: float, old: float) -> bool:
        """Whether a value of the monitored metric is an improvement."""
        return new < old if self.monitor.endswith("loss") else new > old


PAPER = Recipe(
    name="paper",
    scaled=False,
    first_trained=None,
    augmentation="paper",
    passes=15,
    balance=0.0,
    label_smoothing=0.0,
    panel=0,
    taught_epochs=0,
    weight_decay=0.0,
    mixup=0.0,
    findings=0.0,
    dropout=0.0,
    learning_rate=1e-4,
    warm_up_epochs=0.0,
    cosine=False,
    batch=16,
    epochs=15,
    patience=3,
    averaged=0,
    monitor="val_loss",
    class_bias=False,
    more=False,
    apart=False,
    compared=(),
    words="rotation 10 degrees, zoom 0.1, horizontal flip",
)

CSSS = Recipe(
    name="csss",
    scaled=True,
    first_trained="block_7",
    augmentation="csss",
    passes=12,
    balance=0.5,
    label_smoothing=0.0,
    panel=3,
    taught_epochs=12,
    weight_decay=0.05,
    mixup=0.4,
    findings=4.0,
    dropout=0.2,
    learning_rate=3e-4,
    warm_up_epochs=1.0,
    cosine=True,
    batch=32,
    epochs=10,
    patience=10,
    averaged=3,
    monitor="val_scaled_loss",
    class_bias=True,
    more=True,
    apart=True,
    compared=("block_6_project_BN", "block_10_project_BN"),
    words=(
        "a corner wiped in a quarter of the images and a marker written into another quarter, three in ten first "
        "reduced to 96 to 160 pixels, half pressed as JPEG of quality 30 to 95, borders cropped by up to 8 %, rotation "
        "10 degrees, zoom 0.1, shift 0.05, brightness, contrast and gamma; no flip"
    ),
)

RECIPES = {recipe.name: recipe for recipe in (PAPER, CSSS)}


def recipe_of(version: str) -> Recipe:
    """The recipe after which a version is named (`csss-4` uses `csss`). Raises `KeyError`."""
    return RECIPES[version.partition("-")[0]]
