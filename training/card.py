"""The model card: every figure in it comes from metrics.json and labels.json."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from csss.inference.labels import ModelInfo


def model_card(info: ModelInfo, metrics: dict[str, Any]) -> str:
    """MODEL_CARD.md as text, from `model_card.md.j2` beside this file."""
    environment = Environment(  # noqa: S701 - Markdown from our own figures, not HTML
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {
        "percent": lambda value: f"{value * 100:.1f} %",
        "two": lambda value: f"{value:.2f}",
        "three": lambda value: f"{value:.3f}",
        "scientific": lambda value: f"{value:.1e}",
    }
    precision = metrics["export"]["precision"]
    return environment.get_template("model_card.md.j2").render(
        info=info,
        recipe=metrics["training"]["recipe"],
        precision=precision,
        parity=metrics["export"]["parity"][precision],
        **{key: metrics[key] for key in ("data", "training", "calibration", "export", "test")},
    )
