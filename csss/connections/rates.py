"""How slow the other side may be before its connection is cut."""

import errno
import time

# A line of 64 kbit/s carries 8,000 bytes in a second. A quarter of an eighth of it is no line for a picture any more.
LEAST = 1_000  # bytes a second, on average since the beginning
GRACE = 30.0  # seconds before the average counts; as many without a byte mean that the line is dead
HEAD = 15.0  # seconds for a request's head, from its first byte on


class TooSlow(TimeoutError):
    """The other side is slower than any line that is in use. To gunicorn it is a broken line."""

    def __init__(self) -> None:
        super().__init__(errno.EPIPE, f"less than {LEAST} bytes a second")


class Pace:
    """What one transfer has moved since it began, and until when the next byte has to follow."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._moved = 0

    def moved(self, number: int) -> None:
        """So many bytes more have come or gone."""
        self._moved += number

    def deadline(self) -> float:
        """When the next byte has to have followed, by the monotonic clock."""
        return min(time.monotonic() + GRACE, self._began + GRACE + self._moved / LEAST)

    def seconds_left(self) -> float:
        """Until then; always above 0. Raises TooSlow when it is past."""
        left = self.deadline() - time.monotonic()
        if left <= 0:
            raise TooSlow
        return left
