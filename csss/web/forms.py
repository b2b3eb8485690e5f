"""The parts that forms of all roles share: cleaning of text, and a service's sentences beside the fields."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import Form

# PostgreSQL stores no NUL; PDF and XML allow no other control characters. People only need tabs and line breaks.
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def clean(text: str | None) -> str:
    """Text as typed, with one kind of line break and without control characters. For `filters=[clean]`.

    Letters with accents are composed (NFC): some systems send them as two characters, and a search would not find the
    other form.
    """
    plain = _UNWANTED.sub("", (text or "").replace("\r\n", "\n").replace("\r", "\n"))
    return unicodedata.normalize("NFC", plain)


# Characters that change the text direction: in a name they could make a signature look like somebody else's.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def one_line(text: str | None) -> str:
    """For names: a single line, because names appear in mails, signatures and headings. For `filters=[one_line]`."""
    return " ".join(_TURNING.sub("", clean(text)).split())


_SENT: Any = object()


class TextForm(FlaskForm):
    """A form of texts. Flask-WTF would also accept files and JSON, and put them into fields that expect text."""

    def __init__(self, formdata: "MultiDict[str, str] | None" = _SENT, **more: Any) -> None:
        if formdata is _SENT:
            formdata = request.form or None if request.method == "POST" else None
        super().__init__(formdata=formdata, **more)


def mark(form: Form, errors: Mapping[str, str]) -> list[str]:
    """Put each sentence beside its field; return those that belong to no field of this form."""
    left = []
    for name, sentence in errors.items():
        if name in form:
            form[name].errors = [*form[name].errors, sentence]
        else:
            left.append(sentence)
    return left
