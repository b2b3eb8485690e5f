"""Files under random names, whole or not there at all."""

import os
import re
import stat
from pathlib import Path

import pytest

from csss.storage.folder import FolderStorage


@pytest.fixture
def kept(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "storage")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_put_can_be_read_and_deleted(kept: FolderStorage, tmp_path: Path) -> None:
    key = kept.put("scans", "png", b"picture")
    assert re.fullmatch(r"scans/[0-9a-f]{2}/[0-9a-f]{32}\.png", key)
    assert kept.read(key) == b"picture"
    (path,) = files(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    above = [tmp_path / "storage", tmp_path / "storage" / "scans", path.parent]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in above} == {0o700}
    kept.delete(key)
    kept.delete(key)  # nothing happens
    assert files(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        kept.read(key)


def test_equal_contents_get_different_names(kept: FolderStorage) -> None:
    assert kept.put("scans", "png", b"same") != kept.put("scans", "png", b"same")


@pytest.mark.parametrize(
    "key",
    [
        "../secret_key",
        "scans/../../secret_key",
        "/etc/passwd",
        "scans/aa/" + "a" * 32 + ".exe",
        "scans/aa/" + "a" * 32 + ".png\n",
        "scans/aa/" + "A" * 32 + ".png",
        "",
    ],
)
def test_no_key_leads_out_of_the_folder(kept: FolderStorage, tmp_path: Path, key: str) -> None:
    (tmp_path / "secret_key").write_text("secret")
    with pytest.raises(FileNotFoundError):
        kept.read(key)
    with pytest.raises(FileNotFoundError):
        kept.delete(key)
    assert (tmp_path / "secret_key").exists()


def test_a_write_that_breaks_off_leaves_nothing(
    kept: FolderStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        kept.put("scans", "png", b"picture")
    assert files(tmp_path) == []
