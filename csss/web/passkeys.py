"""Helpers for all pages that ask for a passkey."""

import uuid
from collections.abc import Callable, Mapping

from flask import Response, current_app, request

from csss.auth import second_factor_tries
from csss.auth.models import CodePurpose
from csss.auth.passkeys import services as passkeys
from csss.auth.second_factor import Proof
from csss.web.guard import user_session
from csss.web.steps import try_step


def question(make: Callable[[], str]) -> Response:
    """The options that `make` returns, or why there are none, as JSON for js/pages/passkey.js.

    The reasons are keyed by field name; one that belongs to no field has the key "".
    """
    options, errors = "", dict[str, str]()

    def ask() -> None:
        nonlocal options
        options = make()

    def keep(refused: Mapping[str, str]) -> list[str]:
        errors.update(refused)
        return []

    refused = try_step(ask, lambda status, why: reasons(errors or {"": why or ""}, status), place=keep)
    return refused or Response(options, mimetype="application/json")


def reasons(errors: dict[str, str], status: int) -> Response:
    return Response(current_app.json.dumps({"errors": errors}), status, mimetype="application/json")


def second_factor_shown(purpose: CodePurpose, subject_id: uuid.UUID, code: str) -> Proof:
    """The proof in this form: a passkey's answer if it has one, otherwise a code. Raises Invalid (`passkey`, `code`).

    Belongs inside transaction().
    """
    # One form may contain both (erasing): when the code was typed, the passkey's field is sent empty.
    if request.form.get("passkey"):
        return passkeys.show(user_session(), purpose, subject_id, request.form["passkey"])
    return second_factor_tries.take_code(user_session(), purpose, subject_id, code)
