"""Render the account page, with one context for every answer that shows it."""

import uuid
from typing import Any

from flask import Response, g

from csss import report_fonts
from csss.auth import authenticator_app, passphrases, second_factor, second_factor_tries, sessions
from csss.auth.passkeys import services as passkeys
from csss.i18n import _
from csss.people.models import User
from csss.scans.presenters import SEX_NAMES
from csss.web.account.forms import (
    PassphraseForm,
    PasswordForm,
    RecoveryCodesForm,
    RemoveAppForm,
    RemovePasskeyForm,
    RemovePassphraseForm,
    profile_form,
    profile_shown,
)
from csss.web.account.presenters import device_words, with_forms
from csss.web.colours import colours_form
from csss.web.forms import TextForm
from csss.web.fragments import page_or_fragment
from csss.web.guard import idle_limit, me

# Every form of the page except the profile form, which starts with the stored values.
_FORMS: dict[str, type[TextForm]] = {
    "passphrase_form": PassphraseForm,
    "remove_passphrase_form": RemovePassphraseForm,
    "password_form": PasswordForm,
    "remove_form": RemoveAppForm,
    "recovery_form": RecoveryCodesForm,
}


def account_page(
    status: int = 200,
    *,
    remove_passkey: tuple[uuid.UUID, RemovePasskeyForm] | None = None,
    confirmation_problem: str | None = None,
    **forms: TextForm,
) -> Response:
    """Render the page. `forms` are those that came back with errors, by their names in the template."""
    user, this = me(), g.user_session.id
    blank = {name: kind(formdata=None) for name, kind in _FORMS.items() if name not in forms}
    profile = forms.get("profile_form") or profile_form(user)[0]
    context: dict[str, Any] = {
        "user": user,
        "facts": _facts(user),
        "confirmation_problem": confirmation_problem,
        "passkeys": with_forms(passkeys.of(user), remove_passkey),
        "passkey_required": second_factor_tries.needs_passkey(user),
        "has_app": authenticator_app.has_app(user),
        "app_is_lost": authenticator_app.app_is_lost(user),
        "passphrase_is_lost": user.patient is not None and passphrases.passphrase_is_lost(user.patient),
        "recovery_left": second_factor.recovery_codes_left(user),
        # This one first.
        "sessions": sorted(sessions.living(user, idle_limit()), key=lambda each: each.id != this),
        "this_session": this,
        "device_words": device_words,
        **blank,
        **forms,
        "profile_form": profile,
        "profile_shown": profile_shown(user),
        "colours_form": colours_form(),
        "not_on_paper": _not_on_paper(profile),
    }
    return page_or_fragment("account/account.html", "account/_account.html", status, **context)


def _not_on_paper(form: TextForm) -> dict[str, str]:
    """Hints about characters of a name or an address that the report cannot print. A name is never refused for that."""
    names = ("name", "registration_number", "specialty", "phone", "address", "allergies")
    found = report_fonts.problems(**{each: form[each].data or "" for each in names if each in form})
    advice = _("You may keep it. But no report can be released before it is written in these letters.")
    return {name: f"{sentence} {advice}" for name, sentence in found.items()}


def _facts(user: User) -> list[tuple[str, Any]]:
    """The facts of the account that its owner cannot change."""
    facts: list[tuple[str, Any]] = [(_("Role"), user.role.human)]
    if user.patient is not None:
        facts += [
            (_("Record number (MRN)"), user.patient.mrn),
            (_("Date of birth"), user.patient.date_of_birth),
            (_("Sex"), str(SEX_NAMES[user.patient.sex])),
        ]
    return facts
