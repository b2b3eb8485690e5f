"""Write the model card; every figure in it comes from metrics.json and labels.json."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from csss.inference.labels import ModelInfo

PARTS = (
    "audit",
    "calibration",
    "data",
    "export",
    "mistakes",
    "people",
    "software",
    "test",
    "training",
    "validation",
)
"""The parts of metrics.json that the template uses by name."""


def model_card(info: ModelInfo, metrics: dict[str, Any]) -> str:
    """MODEL_CARD.md as text, from `model_card.md.j2` beside this file."""
    environment = Environment(  # noqa: S701 - Markdown from our own figures, not HTML  # nosec B701
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {
        "percent": lambda value: f"{value * 100:.1f} %",
        "two": lambda value: f"{value:.2f}",
        "three": lambda value: f"{value:.3f}",
        "signed": lambda value: f"{value:+.3f}",
        "scientific": lambda value: f"{value:.1e}",
        "kilobytes": lambda value: f"{value / 1000:,.0f} kB",
    }
    precision, ranges = metrics["export"]["precision"], metrics["test"]["intervals"]
    counts = metrics["data"]["by_class"]["test"]
    return environment.get_template("model_card.md.j2").render(
        info=info,
        recipe=metrics["training"]["recipe"],
        paper=metrics["training"]["recipe"].get("name", "paper") == "paper",
        range=lambda key: f"{ranges[key][0] * 100:.1f} to {ranges[key][1] * 100:.1f} %",
        range3=lambda key: f"{ranges[key][0]:.3f} to {ranges[key][1]:.3f}",
        most_frequent=max(counts.values()) / sum(counts.values()),
        outliers=metrics.get("outliers"),
        precision=precision,
        parity=metrics["export"]["parity"][precision],
        int8=metrics["export"].get("int8"),
        seeds=metrics.get("seeds"),
        beside_seeds=metrics.get("beside", {}).get("seeds"),
        trials=metrics.get("trials") or metrics.get("beside", {}).get("trials"),
        tried=metrics["training"].get("tried"),
        parts=metrics.get("parts"),
        **{key: metrics[key] for key in PARTS},
    )
