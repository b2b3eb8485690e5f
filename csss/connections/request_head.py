"""How much of a request has come. What the request means is for gunicorn's parser alone; this says when to ask it."""

import re
from dataclasses import dataclass

MOST_HEAD = 64_000  # bytes
MOST_GATHERED = 256_000  # bytes of a body; every form of texts fits

_END = b"\r\n\r\n"
# As long as it likes: the parser takes zeros in front, and a thread would wait for the body.
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n")
_EXPECTS = re.compile(rb"[^\r]* http/1\.[1-9]\r\n(?:.*\r\n)?expect:[ \t]*100-continue[ \t]*\r\n", re.DOTALL)


def is_long(method: str, length: int | None, *, coded: bool) -> bool:
    """Whether a thread reads the body as it comes. `length` as announced in bytes; `coded`: with a Transfer-Encoding.

    A piece of an upload (PATCH) is one however short it is: what has come of it is kept when its line breaks. Nobody who is
    not signed in has such a body read (`csss.web.guard`).
    """
    return coded or (length or 0) > MOST_GATHERED or (method.lower() == "patch" and length != 0)


@dataclass(frozen=True)
class RequestHead:
    """A head that has come whole. `whole` is the length of the request in bytes; None for a long or unknown one."""

    whole: int | None
    expects_answer: bool = False  # the client sends the body when it has been asked for it


def find_head(content: bytearray, start: int = 0) -> RequestHead | None:
    """The head at the beginning of `content`; None while it has not come whole. `start`: how much has been looked at.

    A head that will never end as the parser reads it (a line feed alone) counts as whole: the parser refuses it.
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
    """As announced; 0 for none, and for one that the parser refuses."""
    found = _LENGTH.search(head) if b"\r\ncontent-length:" in head else None
    try:
        return int(found[1]) if found else 0
    except ValueError:  # thousands of digits
        return 0
