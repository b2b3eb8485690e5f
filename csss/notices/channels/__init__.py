"""The ways a notice travels: one module for each, with the functions of `Channel`. E-mail is the first."""

from typing import Any, Protocol

from csss.notices.models import MailMessage
from csss.notices.texts import Draft


class NotTakenError(Exception):
    """The channel has surely not taken the message; trying again may help."""


class NoLineError(NotTakenError):
    """No message of anybody goes just now: the server is not there, does not answer, or does not let us in."""


class RefusedError(Exception):
    """The channel will never take this message (for e-mail, an answer of 500 or above): trying again is of no use."""


class Channel(Protocol):
    """What the worker asks of a channel. A module with these functions is one."""

    def compose(self, message: MailMessage, draft: Draft) -> Any:
        """What goes out, made while the message's row is held."""

    def send(self, message: Any) -> None:
        """Hand it over now. Raises RefusedError or NotTakenError; any other error leaves open whether it was taken."""

    def answers(self) -> bool:
        """Whether the channel would take a message now."""

    def remove_copy(self, message_id: str) -> None:
        """Remove a copy that this installation keeps of what was sent."""
