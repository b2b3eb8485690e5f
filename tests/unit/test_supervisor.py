"""A child that another try cannot help is not started for ever; every other child is."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from csss import supervisor
from csss.supervisor import REFUSED, TRIES, Child, GaveUp, Supervisor


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No pauses; and pytest gets its Ctrl-C back."""
    monkeypatch.setattr(supervisor, "PAUSE_SECONDS", 0.0)
    kept = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT)}
    yield
    for sign, handler in kept.items():
        signal.signal(sign, handler)


def child(name: str, starts: Path, then: str) -> Child:
    """Writes a letter for each start, and does `then`."""
    return Child(name, [sys.executable, "-S", "-c", f"open({str(starts)!r}, 'a').write('x')\n{then}"])


def test_a_child_that_is_refused_is_tried_a_few_times_and_ends_everything(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    other = child(
        "web",
        tmp_path / "web",
        "import signal, sys, time\n"
        f"def end(*_): open({str(ended)!r}, 'w').close(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "time.sleep(120)",
    )
    refused = child(
        "worker-mail", tmp_path / "mail", f"import time; time.sleep(1); raise SystemExit({REFUSED})"
    )
    with pytest.raises(GaveUp, match="worker-mail was refused 3 times"):
        Supervisor([other, refused]).run()
    assert (tmp_path / "mail").read_text() == "x" * TRIES
    assert ended.exists()


def test_a_child_that_fails_for_another_reason_is_started_again_and_again(tmp_path: Path) -> None:
    starts, until = tmp_path / "starts", time.monotonic() + 120
    failing = child("worker-mail", starts, "raise SystemExit(1)")
    running = Supervisor([failing])

    def enough() -> bool:
        if len(starts.read_text() if starts.exists() else "") > TRIES + 1 or time.monotonic() > until:
            signal.raise_signal(signal.SIGTERM)
        return False

    running.run(ready=enough)
    assert len(starts.read_text()) > TRIES + 1


def test_one_start_in_between_that_is_not_refused_begins_the_count_anew(tmp_path: Path) -> None:
    starts, until = tmp_path / "starts", time.monotonic() + 120
    code = f"import os; raise SystemExit(1 if os.path.getsize({str(starts)!r}) % 3 == 0 else {REFUSED})"
    running = Supervisor([child("worker-mail", starts, code)])

    def enough() -> bool:
        if len(starts.read_text() if starts.exists() else "") > 2 * TRIES or time.monotonic() > until:
            signal.raise_signal(signal.SIGTERM)
        return False

    running.run(ready=enough)
    assert len(starts.read_text()) > 2 * TRIES
