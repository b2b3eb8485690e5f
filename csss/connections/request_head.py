"""Determine how much of a request has arrived. Only gunicorn's parser interprets the request; this decides when to
call it."""

import re
from dataclasses import dataclass

MOST_HEAD = 64_000  # bytes
MOST_GATHERED = 256_000  # bytes of a body; every text form fits

_END = b"\r\n\r\n"
# Any number of digits: the parser accepts leading zeros, and otherwise a thread would wait for the body.
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n")
_EXPECTS = re.compile(rb"[^\r]* http/1\.[1-9]\r\n(?:.*\r\n)?expect:[ \t]*100-continue[ \t]*\r\n", re.DOTALL)


def is_long(method: str, length: int | None, *, coded: bool) -> bool:
    """Whether a thread reads the body while it arrives. `length` is the declared length in bytes; `coded`: with a
    Transfer-Encoding.

    An upload chunk (PATCH) always counts as long, because what has arrived is kept when the connection breaks. Such
    a body is read only for signed-in users (`csss.web.guard`).
    """
    return coded or (length or 0) > MOST_GATHERED or (method.lower() == "patch" and length != 0)


@dataclass(frozen=True)
class RequestHead:
    """A complete head. `whole` is the length of the request in bytes; None when it is long or unknown."""

    whole: int | None
    expects_answer: bool = False  # the client sends the body only after 100 Continue


def find_head(content: bytearray, start: int = 0) -> RequestHead | None:
    """The head at the start of `content`; None while it is incomplete. `start`: how much has been checked before.

    A head that the parser would never accept as finished (bare line feeds) counts as complete, so that the parser
    refuses it.
    """
    end = content.find(_END, max(0, start - len(_END)))
    if end < 0:
        return RequestHead(len(content)) if content.count(b"\n") != content.count(b"\r\n") else None
    head = bytes(content[: end + len(_END)]).lower()
    body = _length(head)
    method = head[: head.find(b" ")].strip().decode("latin-1")
    if is_long(method, body, coded=b"\r\ntransfer-encoding" in head):
        return RequestHead(None)
    return RequestHead(
        len(head) + body, expects_answer=body > 0 and _EXPECTS.match(head.lstrip()) is not None
    )


def _length(head: bytes) -> int:
    """The declared length; 0 when there is none or when the parser refuses it."""
    found = _LENGTH.search(head) if b"\r\ncontent-length:" in head else None
    try:
        return int(found[1]) if found else 0
    except ValueError:  # thousands of digits
        return 0
