"""What the tests of DICOM share."""

from collections.abc import Iterator

import pytest

from csss.dicom import reading


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each file is opened in a fork, as a worker does: with all limits, and without waiting for an interpreter."""
    monkeypatch.setattr(reading, "_forks", False)
    reading.open_in_forks()
    yield
