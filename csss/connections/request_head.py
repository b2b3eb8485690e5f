"""How much of a request has come. What the request means is for gunicorn's parser alone; this says when to ask it."""

import re
from dataclasses import dataclass

MOST_HEAD = 64_000  # bytes
# Every form of texts fits, so nobody who is not signed in has a longer body read (`csss.web.guard`).
MOST_GATHERED = 256_000  # bytes of a body

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_CODED = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Head:
    """A head that has come whole. `whole` is the length of the request in bytes; None for a long or unknown one."""

    whole: int | None
    expects_answer: bool = False  # the client sends the body when it has been asked for it


def find_head(content: bytearray, start: int = 0) -> Head | None:
    """The head at the beginning of `content`; None while it has not come whole. `start`: how much has been looked at.

    A head that will never end as the parser reads it (a line feed alone) counts as whole: the parser refuses it.
    """
    end = content.find(_END, max(0, start - len(_END)))
    if end < 0:
        return Head(len(content)) if content.count(b"\n") != content.count(b"\r\n") else None
    head = bytes(content[: end + len(_END)])
    if _CODED.search(head):
        return Head(None)
    length = _LENGTH.search(head)
    body = int(length[1]) if length else 0
    if body > MOST_GATHERED:
        return Head(None)
    return Head(len(head) + body, expects_answer=body > 0 and _EXPECTS.search(head) is not None)
