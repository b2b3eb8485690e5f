"""What a service says when it refuses. Routes turn these into answers; nothing else is expected of callers."""

from datetime import timedelta


class Refused(Exception):
    """Base of every refusal; the text is a sentence for the person at the screen."""


class StateConflict(Refused):
    """The scan is not (or no longer) where this step needs it: answered with 409 and the current state."""


class Invalid(Refused):
    """The input cannot be accepted: answered with 422 and the sentence beside the field.

    `errors` maps a field name to its sentence; a lazy text becomes a sentence in the reader's language here.
    """

    def __init__(self, **errors: str) -> None:
        self.errors = {field: str(sentence) for field, sentence in errors.items()}
        super().__init__(" ".join(self.errors.values()))


class Counted(Invalid):
    """A refusal that has to be kept, such as a wrong code: transaction() commits before it lets it pass."""


class TooMany(Counted):
    """Too often within a while: answered with 429, the sentence beside the field, when to try again; kept, too."""

    def __init__(self, wait: timedelta, **errors: str) -> None:
        self.wait = wait
        super().__init__(**errors)


class Hopeless(Exception):
    """A job that would fail again however often it is tried: it is given up at once, with this sentence."""


class NotFound(Refused):
    """It does not exist, or not for this person: answered with 404 either way."""
