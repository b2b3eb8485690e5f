"""Define how slow a client may be before its connection is closed."""

import errno
import time

# A 64 kbit/s line carries 8,000 bytes a second. Below an eighth of that, a line is too slow for a picture.
LEAST = 1_000  # bytes per second, averaged since the start
GRACE = 30.0  # seconds before the average counts; also the longest gap without any byte
HEAD = 15.0  # seconds for a request's head, from its first byte


class TooSlow(TimeoutError):
    """The client is slower than any usable line. For gunicorn it counts as a lost connection."""

    def __init__(self) -> None:
        super().__init__(errno.EPIPE, f"less than {LEAST} bytes a second")


class Pace:
    """The bytes that one transfer has moved since its start, and the deadline for the next byte."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._moved = 0

    def moved(self, number: int) -> None:
        """Count further bytes, received or sent."""
        self._moved += number

    def deadline(self) -> float:
        """The deadline for the next byte, on the monotonic clock."""
        return min(time.monotonic() + GRACE, self._began + GRACE + self._moved / LEAST)

    def seconds_left(self) -> float:
        """Seconds until then; always above 0. Raises TooSlow when it has passed."""
        left = self.deadline() - time.monotonic()
        if left <= 0:
            raise TooSlow
        return left
