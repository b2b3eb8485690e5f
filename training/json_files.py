"""Write JSON files with rounded numbers, atomically."""

import json
from pathlib import Path
from typing import Any


def rounded(value: Any) -> Any:
    """Round numbers to six decimals, so that files stay readable and equal metrics stay equal."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def write_json(file: Path, record: dict[str, Any]) -> None:
    """Write JSON with rounded numbers, replacing the file atomically."""
    text = json.dumps(rounded(record), indent=2, ensure_ascii=False) + "\n"
    partial = file.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)
