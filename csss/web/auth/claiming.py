"""Routes: a patient claims a record with a code of the hospital, or confirms the address that the record has."""

from datetime import timedelta

from flask import Response, flash, url_for
from flask_login import current_user, logout_user
from wtforms import PasswordField, StringField

from csss.auth import accounts, secrets
from csss.database import transaction
from csss.errors import Invalid, NotFound
from csss.i18n import _l, gettext, ngettext
from csss.people.permissions import PUBLIC
from csss.records import addresses, invitations
from csss.web.auth.blueprint import auth
from csss.web.auth.forms import DayField, tidy
from csss.web.forms import TextForm, one_line
from csss.web.fragments import asks_only, page_or_fragment, redirect_after
from csss.web.guard import requires
from csss.web.steps import try_step
from csss.web.throttle import minutes, throttled, was_refused

# Of one address, on both pages together. A working code has tries of its own.
WRONG_CLAIMS_OF_AN_ADDRESS = "20 per 15 minutes"


class ClaimForm(TextForm):
    """What stands on the slip, and the new account."""

    mrn = StringField(_l("Record number (MRN)"), filters=[one_line])
    date_of_birth = DayField(_l("Date of birth"))
    code = StringField(_l("Code"), filters=[one_line])
    email = StringField(_l("E-mail address"), filters=[tidy])
    password = PasswordField(_l("Password"))


class ConfirmRecordForm(TextForm):
    date_of_birth = DayField(_l("Date of birth"))
    report_passphrase = PasswordField(_l("Pass phrase for your reports"))


def _too_many(wait: timedelta) -> str:
    return ngettext(
        "Too many wrong entries have come from your network. Wait %(num)s minute, then try again.",
        "Too many wrong entries have come from your network. Wait %(num)s minutes, then try again.",
        minutes(wait),
    )


def _wait_to_claim(wait: timedelta) -> Response:
    return _show_claim(ClaimForm(), 429, _too_many(wait))


def _claim_is_right() -> bool:
    """A hospital's network may be used up by one visitor: whoever holds a working code is no stranger."""
    form = ClaimForm()
    return invitations.is_right(form.mrn.data or "", form.date_of_birth.data, form.code.data or "")


@auth.route("/claim", methods=["GET", "POST"])
@requires(PUBLIC)
@throttled(
    WRONG_CLAIMS_OF_AN_ADDRESS,
    "claim.address",
    page=_wait_to_claim,
    refused=was_refused,
    exempt=_claim_is_right,
)
def claim() -> Response:
    """Make the account of a record: MRN, birth date and the code of the slip, and a password of one's own."""
    if asks_only():
        return _show_claim(ClaimForm(formdata=None))
    form = ClaimForm()

    def step() -> None:
        email, password = form.email.data or "", form.password.data or ""
        form.validate()
        errors = {name: str(problems[0]) for name, problems in form.errors.items() if problems}
        for name, field in (("mrn", form.mrn), ("code", form.code)):
            if not (field.data or "").strip():
                errors[name] = gettext("Type what stands on your slip.")
        if form.date_of_birth.data is None and "date_of_birth" not in errors:
            errors["date_of_birth"] = gettext("Enter the date of birth.")
        try:
            email = accounts.normal_email(email)
        except Invalid as refused:  # not `try_step`: one of several errors
            errors |= refused.errors
        if problem := accounts.password_problem(password, email=email, name=""):
            errors["password"] = problem
        if errors:
            raise Invalid(**errors)
        password_hash = secrets.hash_password(password)
        with transaction():
            invitations.claim(
                mrn=form.mrn.data or "",
                date_of_birth=form.date_of_birth.data,
                code=form.code.data or "",
                email=email,
                password_hash=password_hash,
            )

    try:
        refused = try_step(
            step,
            lambda status, sentence: _show_claim(form, status, sentence),
            form=form,
            in_transaction=False,
        )
    except NotFound:  # erased, or made part of another record, at this moment
        return _show_claim(form, 404, gettext("This record is not there any more. Ask the hospital."))
    if refused is not None:
        return refused
    if current_user.is_authenticated:
        logout_user()
    flash(
        gettext(
            "Your account is ready. Sign in with your e-mail address and the password that you have chosen."
        ),
        "success",
    )
    return redirect_after(url_for("auth.login"))


def _show_claim(form: ClaimForm, status: int = 200, sentence: str | None = None) -> Response:
    return page_or_fragment("auth/claim.html", "auth/_claim.html", status, form=form, problem=sentence)


def _wait_to_confirm(wait: timedelta) -> Response:
    return page_or_fragment(
        "auth/confirm_record.html",
        "auth/_confirm_record.html",
        429,
        form=ConfirmRecordForm(formdata=None),
        token="",
        problem=_too_many(wait),
    )


@auth.route("/confirm-record/<token>", methods=["GET", "POST"])
@requires(PUBLIC)
@throttled(WRONG_CLAIMS_OF_AN_ADDRESS, "claim.address", page=_wait_to_confirm, refused=was_refused)
def confirm_record(token: str) -> Response:
    """Confirm the address of a record without an account. Opening the link changes nothing: mail scanners open links."""
    if addresses.patient_of(token) is None:
        return page_or_fragment("auth/confirm_record_failed.html", "auth/_confirm_record_failed.html", 404)
    form = ConfirmRecordForm()

    def show(status: int, sentence: str | None = None) -> Response:
        return page_or_fragment(
            "auth/confirm_record.html",
            "auth/_confirm_record.html",
            status,
            form=form,
            token=token,
            problem=sentence,
        )

    if asks_only():
        return show(200)

    def step() -> None:
        addresses.confirm(
            token,
            date_of_birth=form.date_of_birth.data,
            passphrase=form.report_passphrase.data or "",
        )

    try:
        refused = try_step(step, show, form=form)
    except NotFound:
        return page_or_fragment("auth/confirm_record_failed.html", "auth/_confirm_record_failed.html", 404)
    if refused is not None:
        return refused
    flash(
        gettext("Your address is confirmed. The hospital tells you there when a report is ready."), "success"
    )
    return redirect_after(url_for("auth.login"))
