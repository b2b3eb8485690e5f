"""Where the training runs: on the processor, on one graphics card, or on several; with halves where a card has them."""

from dataclasses import dataclass
from typing import Any

FULL, MIXED = "float32", "mixed_float16"


@dataclass(frozen=True)
class Plan:
    """How many graphics cards share a batch (0: the processor alone) and in which precision the layers work."""

    cards: int
    policy: str


def plan(cards: int) -> Plan:
    """Half precision only where a card does it quickly; on a processor it is slower than single precision."""
    return Plan(cards, MIXED if cards else FULL)


def apply(chosen: Plan | None = None) -> Any:
    """Set the precision and return the `tf.distribute` strategy; without a plan, the one for the cards that are there."""
    import keras
    import tensorflow as tf

    chosen = chosen or plan(len(tf.config.list_physical_devices("GPU")))
    keras.mixed_precision.set_global_policy(chosen.policy)
    return tf.distribute.MirroredStrategy() if chosen.cards > 1 else tf.distribute.get_strategy()
