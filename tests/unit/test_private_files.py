"""A private file is there as a whole or not at all, for its owner alone, whatever happens while it is written."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from csss import paths
from csss.config import BadSetting, Settings
from csss.paths import private_folder, write_private, write_private_once
from tests.disks import CannotMount, small_file_system

Write = Callable[[Path, bytes], bool]


@pytest.fixture(params=[write_private, write_private_once], ids=["over another", "once"])
def write(request: pytest.FixtureRequest) -> Write:
    return request.param


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full"), SystemExit(143)])
def test_who_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, trouble: BaseException
) -> None:
    def fails(_: int) -> None:
        raise trouble

    monkeypatch.setattr(paths.os, "fsync", fails)
    with pytest.raises(type(trouble)):
        write(tmp_path / "scans.key", b"secret")
    assert [*tmp_path.iterdir()] == []


def test_files_and_folders_are_private_whatever_the_umask(tmp_path: Path, write: Write) -> None:
    before = os.umask(0)
    try:
        private_folder(tmp_path / "a" / "b")
        write(tmp_path / "a" / "b" / "file", b"secret")
    finally:
        os.umask(before)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "a").rglob("*")}
    assert modes == {"b": "0o700", "file": "0o600"} and (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_what_a_link_points_to_stays_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "somebody else's"
    other.write_bytes(b"theirs")
    (tmp_path / "file").symlink_to(other)
    assert not write_private_once(tmp_path / "file", b"ours")
    assert (tmp_path / "file").read_bytes() == b"theirs"
    assert write_private(tmp_path / "file", b"ours")
    assert other.read_bytes() == b"theirs" and not (tmp_path / "file").is_symlink()


def test_who_is_killed_in_the_middle_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"before")
    program = (
        "import os, signal, sys; from pathlib import Path; from csss import paths\n"
        "paths.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "paths.write_private(Path(sys.argv[1]), b'after')"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path / "file")], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (tmp_path / "file").read_bytes() == b"before"


def test_a_file_system_without_hard_links_is_written_to_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    assert write_private_once(tmp_path / "file", b"first")
    assert not write_private_once(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first" and len([*tmp_path.iterdir()]) == 1


# The secret key


def test_a_full_disk_leaves_no_empty_secret_key(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    settings = Settings(instance=str(folder))
    try:
        with small_file_system(folder, "64k"):
            with (
                (folder / "filler").open("wb", buffering=0) as filler,
                pytest.raises(OSError, match="No space"),
            ):
                while True:
                    filler.write(b"x" * 4096)
            with pytest.raises(OSError, match="No space"):
                settings.secret()
            assert not settings.has_secret() and [each.name for each in folder.iterdir()] == ["filler"]
            (folder / "filler").unlink()
            assert len(settings.secret()) >= 64
    except CannotMount as error:
        pytest.skip(str(error))


def test_a_secret_key_lasts_through_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is on the disk before the name is, and the name before anybody uses the key."""
    settled, kept = [], os.fsync

    def fsync(opened: int) -> None:
        settled.append((Path(f"/proc/self/fd/{opened}").readlink().suffix, settings.secret_key_file.exists()))
        kept(opened)

    settings = Settings(instance=str(tmp_path / "instance"))
    monkeypatch.setattr(paths.os, "fsync", fsync)
    settings.secret()
    assert settled == [(".partial", False), ("", True)]


def test_all_who_start_at_once_get_one_secret_key(tmp_path: Path) -> None:
    begin, found = threading.Barrier(8), set()

    def start() -> None:
        begin.wait()
        found.add(Settings(instance=str(tmp_path / "instance")).secret())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 1 and [each.name for each in (tmp_path / "instance").iterdir()] == ["secret_key"]


def test_a_link_that_leads_nowhere_is_told_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "secret_key").symlink_to(tmp_path / "unmounted" / "secret_key")
    with pytest.raises(BadSetting, match="cannot be read"):
        Settings(instance=str(tmp_path)).secret()
    assert (tmp_path / "secret_key").is_symlink() and not (tmp_path / "unmounted").exists()
