"""The account page: one context for every answer that shows it."""

from typing import Any

from flask import Response, g

from csss import report_fonts
from csss.auth import authenticator_app, passphrases, second_factor, sessions
from csss.auth.passkeys import services as passkeys
from csss.i18n import _
from csss.people.models import User
from csss.scans.presenters import SEX_NAMES
from csss.web.account.forms import (
    PassphraseForm,
    PasswordForm,
    ProfileForm,
    RecoveryCodesForm,
    RemoveAppForm,
    RemovePassphraseForm,
    profile_form,
)
from csss.web.account.presenters import ROLE_NAMES, device_words, with_forms
from csss.web.fragments import page_or_fragment
from csss.web.guard import idle_limit, me


def account_page(status: int = 200, **forms: Any) -> Response:
    """Render the page. `forms` replaces single forms by ones with errors, and `problem` is a sentence at the top."""
    user, this = me(), g.user_session.id
    context: dict[str, Any] = {
        "user": user,
        "facts": _facts(user),
        "profile_form": None,
        "passphrase_form": None,
        "password_form": None,
        "remove_passphrase_form": None,
        "remove_form": None,
        "recovery_form": None,
        "confirmation_problem": None,
        "remove_passkey": None,
        "passkey_required": passkeys.is_required(user),
        "has_app": authenticator_app.has_app(user),
        "app_is_lost": authenticator_app.app_is_lost(user),
        "passphrase_is_lost": user.patient is not None and passphrases.passphrase_is_lost(user.patient),
        "recovery_left": second_factor.recovery_codes_left(user),
        # This one first.
        "sessions": sorted(sessions.living(user, idle_limit()), key=lambda each: each.id != this),
        "this_session": this,
        "device_words": device_words,
        **forms,
    }
    context["passkeys"] = with_forms(passkeys.of(user), context["remove_passkey"])
    context["profile_form"] = context["profile_form"] or profile_form(user)[0]
    context["not_on_paper"] = _not_on_paper(context["profile_form"])
    context["passphrase_form"] = context["passphrase_form"] or PassphraseForm(formdata=None)
    context["remove_passphrase_form"] = context["remove_passphrase_form"] or RemovePassphraseForm(
        formdata=None
    )
    context["recovery_form"] = context["recovery_form"] or RecoveryCodesForm(formdata=None)
    context["password_form"] = context["password_form"] or PasswordForm(formdata=None)
    context["remove_form"] = context["remove_form"] or RemoveAppForm(formdata=None)
    return page_or_fragment("account/account.html", "account/_account.html", status, **context)


def _not_on_paper(form: ProfileForm) -> dict[str, str]:
    """What the report cannot print of a name or an address, as hints: a name is right as it is, so nothing is refused."""
    names = ("name", "phone", "address")
    found = report_fonts.problems(**{each: form[each].data or "" for each in names if each in form})
    advice = _("You may keep it. But no report can be released before it is written in these letters.")
    return {name: f"{sentence} {advice}" for name, sentence in found.items()}


def _facts(user: User) -> list[tuple[str, Any]]:
    """What the account holds and its owner cannot change."""
    facts: list[tuple[str, Any]] = [(_("Role"), str(ROLE_NAMES[user.role]))]
    if user.patient is not None:
        facts += [
            (_("Record number (MRN)"), user.patient.mrn),
            (_("Date of birth"), user.patient.date_of_birth),
            (_("Sex"), str(SEX_NAMES[user.patient.sex])),
        ]
    return facts
