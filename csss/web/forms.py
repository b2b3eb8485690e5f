"""What the forms of all roles share: text as it may be stored, and a service's sentences beside the fields."""

import re
from collections.abc import Mapping

from wtforms import Form

# PostgreSQL stores no NUL, PDF and XML no other control character; a tab or a line break is all a person can mean.
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def clean(text: str | None) -> str:
    """Text as typed, with one kind of line break and without control characters. For `filters=[clean]`."""
    return _UNWANTED.sub("", (text or "").replace("\r\n", "\n").replace("\r", "\n"))


def mark(form: Form, errors: Mapping[str, str]) -> list[str]:
    """Put each sentence beside the field it is about; what belongs to no field of this form comes back."""
    left = []
    for name, sentence in errors.items():
        if name in form:
            form[name].errors = [*form[name].errors, sentence]
        else:
            left.append(sentence)
    return left
