"""Record the software versions with which a model is made and evaluated."""

import platform
from importlib import metadata

PACKAGES = ("ai-edge-litert", "keras", "numpy", "opencv-python-headless", "tensorflow", "tensorflow-cpu")


def software() -> dict[str, str]:
    """Versions of Python and of those packages that are installed here."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except (
            metadata.PackageNotFoundError
        ):  # TensorFlow has two package names, and evaluation does not need it
            continue
    return found
