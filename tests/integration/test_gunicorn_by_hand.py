"""Whoever starts `gunicorn wsgi:app` by hand, as for any Flask application, is told what is missing, and gets pages."""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from csss.config import Settings
from csss.demo.run import environment
from csss.paths import ROOT
from tests.factories import Clinic
from tests.stack import eventually, free_port


@pytest.fixture
def server(clinic: Clinic, settings: Settings, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The port of gunicorn with its own defaults, and what it says."""
    port, said = free_port(), tmp_path / "said"
    command = [sys.executable, "-m", "gunicorn", "wsgi:app", "-b", f"127.0.0.1:{port}"]
    with said.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment(settings)}, stderr=output
        )
    try:
        eventually(lambda: answered(port), 120, 0.5)
        yield port, said
    finally:
        process.terminate()
        process.wait(20)


def answered(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=20) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_slow_visitors_do_not_keep_others_out_and_the_log_names_the_better_way(
    server: tuple[int, Path],
) -> None:
    port, said = server
    with ExitStack() as slow:
        for _ in range(20):
            line = slow.enter_context(socket.create_connection(("127.0.0.1", port), 20))
            line.sendall(b"GET /login HTTP/1.1\r\nHost: here\r\nX-Never-Ends: ")
        assert answered(port)
    assert "`csss web` serves everything" in said.read_text()
