"""Deliver notices: one module per channel, with the functions of `Channel`. E-mail is the first."""

from typing import Any, Protocol

from csss.notices.models import MailMessage
from csss.notices.texts import Draft


class NotTakenError(Exception):
    """The channel has surely not accepted the message; a retry may help."""


class NoLineError(NotTakenError):
    """No message at all can be sent now: the server is unreachable, does not answer, or refuses our sign-in."""


class RefusedError(Exception):
    """The channel will never accept this message (for e-mail, a reply of 500 or above): a retry is useless."""


class Channel(Protocol):
    """The interface of a channel. A module with these functions implements it."""

    def compose(self, message: MailMessage, draft: Draft) -> Any:
        """Build the outgoing message while its row is locked."""

    def send(self, message: Any) -> None:
        """Deliver it now. Raises RefusedError or NotTakenError; after any other error it is unknown whether it was
        accepted."""

    def answers(self) -> bool:
        """Whether the channel would accept a message now."""

    def remove_copy(self, message_id: str) -> None:
        """Delete the copy that this installation keeps of a sent message."""
