"""Define the exceptions with which services refuse. Routes turn them into responses; callers handle no others."""

from datetime import timedelta


class Refused(Exception):
    """Base class of refusals; the message is a sentence for the user."""


class StateConflict(Refused):
    """The scan is not in the state that this step needs: answered with 409 and the current state."""


class Invalid(Refused):
    """The input is not acceptable: answered with 422 and the message beside the field.

    `errors` maps a field name to its message; a lazy text is translated to the reader's language here.
    """

    def __init__(self, **errors: str) -> None:
        self.errors = {field: str(sentence) for field, sentence in errors.items()}
        super().__init__(" ".join(self.errors.values()))


class Counted(Invalid):
    """A refusal that must be recorded, such as a wrong code: transaction() commits before re-raising it."""


class TooMany(Counted):
    """Too many attempts: answered with 429, the message beside the field, and when to try again; recorded, too."""

    def __init__(self, wait: timedelta, **errors: str) -> None:
        self.wait = wait
        super().__init__(**errors)


class Hopeless(Exception):
    """A job that would fail on every retry: it is given up at once, with this message."""


class NotFound(Refused):
    """It does not exist, or not for this user: answered with 404 in both cases."""
