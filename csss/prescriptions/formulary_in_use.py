"""The formulary that is in use: the file that CSSS_FORMULARY names, else what an administrator has put in, else ours."""

import hashlib
import logging
import os
from pathlib import Path

from flask import current_app

from csss.config import BadSetting, Settings
from csss.errors import Invalid
from csss.hospital.current import hospital
from csss.i18n import _
from csss.paths import private_folder
from csss.prescriptions.formulary import Formulary, load

log = logging.getLogger(__name__)

MOST_BYTES = 500_000
MOST_MEDICINES = 5_000  # each word of a line that is none of them is compared with all of them


def hospital_formulary() -> Formulary:
    """The formulary in use. One that this release cannot read any more is not used: the settings page says so."""
    settings: Settings = current_app.config["CSSS"]
    content = hospital().formulary
    if settings.formulary or content is None:
        return load(settings.formulary)
    try:
        return load(str(_file_of(content)))
    except BadSetting as error:
        log.error("the formulary in the database cannot be used: %s", error)
        return load("")


def kept_problem() -> str | None:
    """Why the formulary in the database cannot be used; None when it can, and when there is none."""
    content = hospital().formulary
    if content is None:
        return None
    try:
        load(str(_file_of(content)))
    except BadSetting as error:
        return _sentence(error)
    return None


def check_formulary(content: bytes) -> str:
    """The text of a file that can be used. Raises Invalid with a sentence for the field `formulary`."""
    if len(content) > MOST_BYTES:
        raise Invalid(
            formulary=_("The file is too large: at most %(most)s kB can be taken.", most=MOST_BYTES // 1000)
        )
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise Invalid(
            formulary=_("The file is no text in UTF-8. Save it as “CSV UTF-8” and send it again.")
        ) from None
    if "\0" in text:  # PostgreSQL stores no NUL
        raise Invalid(formulary=_("The file is no text in UTF-8. Save it as “CSV UTF-8” and send it again."))
    try:
        book = load(str(_file_of(text)))
    except BadSetting as error:
        raise Invalid(formulary=_sentence(error)) from None
    if len(book.medicines) > MOST_MEDICINES:
        raise Invalid(formulary=_("At most %(most)s medicines can be taken.", most=f"{MOST_MEDICINES:,}"))
    return text


def _file_of(content: str) -> Path:
    """The file on this machine with this content, made when it is not there yet: the loader reads files."""
    settings: Settings = current_app.config["CSSS"]
    body = content.encode()
    folder = settings.instance_folder / "formularies"
    file = folder / f"{hashlib.sha256(body).hexdigest()[:32]}.csv"
    if not file.exists():
        private_folder(folder)
        partial = file.with_suffix(f".{os.getpid()}.partial")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
            target.write(body)
        partial.replace(file)
    return file


def _sentence(error: BadSetting) -> str:
    """The loader's sentence without the name of the setting and of our file."""
    text = str(error).removeprefix("CSSS_FORMULARY, ")
    before, is_path, after = text.partition("': ")
    text = after if is_path and before.startswith("CSSS_FORMULARY is ") else text
    return text[:1].upper() + text[1:]
