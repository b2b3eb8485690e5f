"""What the forms of all roles share: text as it may be stored, and a service's sentences beside the fields."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import Form

# PostgreSQL stores no NUL, PDF and XML no other control character; a tab or a line break is all a person can mean.
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def clean(text: str | None) -> str:
    """Text as typed, with one kind of line break and without control characters. For `filters=[clean]`.

    Letters with accents are composed (NFC): some systems type them as two, and a search would not find the other kind.
    """
    plain = _UNWANTED.sub("", (text or "").replace("\r\n", "\n").replace("\r", "\n"))
    return unicodedata.normalize("NFC", plain)


# Letters that turn the direction of what follows: in a name they could make a signature read as somebody else's.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def one_line(text: str | None) -> str:
    """For names: a single line, because it stands in mails, signatures and headings. For `filters=[one_line]`."""
    return " ".join(_TURNING.sub("", clean(text)).split())


_SENT: Any = object()


class TextForm(FlaskForm):
    """A form of texts. Flask-WTF would also take files and JSON, and put them into fields that expect text."""

    def __init__(self, formdata: "MultiDict[str, str] | None" = _SENT, **more: Any) -> None:
        if formdata is _SENT:
            formdata = request.form or None if request.method == "POST" else None
        super().__init__(formdata=formdata, **more)


def mark(form: Form, errors: Mapping[str, str]) -> list[str]:
    """Put each sentence beside the field it is about; what belongs to no field of this form comes back."""
    left = []
    for name, sentence in errors.items():
        if name in form:
            form[name].errors = [*form[name].errors, sentence]
        else:
            left.append(sentence)
    return left
