"""Choose where the training runs: CPU, one GPU, or several, with half precision where a GPU supports it."""

from dataclasses import dataclass
from typing import Any

FULL, MIXED = "float32", "mixed_float16"


@dataclass(frozen=True)
class Plan:
    """How many GPUs share a batch (0: CPU only) and in which precision the layers work."""

    cards: int
    policy: str


def plan(cards: int) -> Plan:
    """Half precision only where a GPU does it quickly; on a CPU it is slower than single precision."""
    return Plan(cards, MIXED if cards else FULL)


def apply(chosen: Plan | None = None) -> Any:
    """Set the precision and return the `tf.distribute` strategy; without a plan, the one for the available GPUs."""
    import keras
    import tensorflow as tf

    chosen = chosen or plan(len(tf.config.list_physical_devices("GPU")))
    keras.mixed_precision.set_global_policy(chosen.policy)
    return tf.distribute.MirroredStrategy() if chosen.cards > 1 else tf.distribute.get_strategy()
