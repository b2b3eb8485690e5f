"""What a model is made and measured with."""

import platform
from importlib import metadata

PACKAGES = ("ai-edge-litert", "keras", "numpy", "opencv-python-headless", "tensorflow", "tensorflow-cpu")


def software() -> dict[str, str]:
    """Versions of Python and of those packages that are installed here."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # TensorFlow goes by two names, and measuring needs none of it
            continue
    return found
