"""Whoever kills the supervisor of the demo or of the workers leaves nothing behind, and no data is wiped under a demo."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from csss.demo.redis import redis_server
from tests.conftest import SECRET
from tests.stack import Stack, eventually, free_port, running_stack


def descendants(process: int) -> set[int]:
    """All processes that this one has started, and those that they have started."""
    parents: dict[int, list[int]] = {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = each.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append(int(each.parent.name))
    found: set[int] = set()
    ahead = [process]
    while ahead:
        new = parents.get(ahead.pop(), [])
        found.update(new)
        ahead.extend(new)
    return found


def living(processes: set[int]) -> dict[int, str]:
    """Those that still run, and what they are."""
    found = {}
    for each in processes:
        try:
            if Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found[each] = Path(f"/proc/{each}/cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found


def end(processes: set[int]) -> None:
    """Nothing that a test has started may outlive it, whatever the test has found."""
    for each in living(processes):
        os.kill(each, signal.SIGKILL)


class Demo:
    """`csss demo` in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port, self.log = free_port(), folder / f"demo-{time.monotonic_ns()}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CSSS_")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "csss", "demo", "--port", str(self.port), *arguments],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=3) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Path:
    """Where a demo has run before, so that none of these has to make its people and scans."""
    redis_server()
    folder = tmp_path_factory.mktemp("demo")
    (folder / "instance" / "demo").mkdir(parents=True)
    shutil.copy(migrated_sqlite, folder / "instance" / "demo" / "csss.db")
    (folder / "instance" / "demo" / "secret_key").write_text(SECRET)  # the one that the copy was made with
    return folder


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Demo]:
    running = Demo(folder, "--keep")
    children: set[int] = set()
    try:
        eventually(running.ready, 90)
        children = descendants(running.process.pid)
        yield running
    finally:
        children |= descendants(running.process.pid)
        running.process.kill()
        running.process.wait(20)
        end(children)


@pytest.mark.slow
@pytest.mark.xdist_group("killed demo")
def test_a_second_demo_refuses_while_one_runs_and_after_its_death_until_its_last_child_is_gone(
    demo: Demo, folder: Path
) -> None:
    data = folder / "instance" / "demo" / "csss.db"
    born = data.stat().st_ino
    second = Demo(folder)
    assert second.process.wait(60) == 1
    assert f"A demo runs from {folder / 'instance'} already" in second.log.read_text()

    children = descendants(demo.process.pid)
    assert len(children) >= 7, "Redis, four workers, the web server and its process"
    lasting = next(each for each, what in living(children).items() if "csss worker mail" in what)
    os.kill(lasting, signal.SIGSTOP)  # whoever is at something takes a while to end
    try:
        demo.process.kill()
        demo.process.wait(20)
        eventually(lambda: set(living(children)) == {lasting}, 30)
        third = Demo(folder)
        assert third.process.wait(60) == 1
        assert "or its last processes are just ending" in third.log.read_text()
        assert data.stat().st_ino == born, "the data of the first demo is still there"
    finally:
        os.kill(lasting, signal.SIGCONT)
    eventually(lambda: not living(children), 30)

    again = Demo(folder, "--keep")
    try:
        eventually(again.ready, 90)
        assert data.stat().st_ino == born
    finally:
        again.process.send_signal(signal.SIGINT)
        assert again.process.wait(30) == 0, again.log.read_text()


@pytest.mark.slow
def test_the_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    redis_server()
    with running_stack(tmp_path) as stack:
        workers = subprocess.Popen(
            [sys.executable, "-m", "csss", "worker", "mail", "codes"], env=environment_of(stack)
        )
        children: set[int] = set()
        try:

            def both() -> bool:
                children.update(descendants(workers.pid))
                return len(living(children)) == 2

            eventually(both, 30)
            workers.kill()
            workers.wait(20)
            eventually(lambda: not living(children), 30)
        finally:
            workers.kill()
            end(children)


def environment_of(stack: Stack) -> dict[str, str]:
    from csss.demo.run import environment

    return {**os.environ, **environment(stack.settings)}


def test_a_child_whose_supervisor_is_gone_before_it_begins_does_not_begin(tmp_path: Path) -> None:
    from csss import end_with_parent

    trace = tmp_path / "began"
    subprocess.run(
        [sys.executable, "-I", "-S", end_with_parent.__file__, str(2**22 + 1), "touch", str(trace)],
        check=True,
    )
    assert not trace.exists()
