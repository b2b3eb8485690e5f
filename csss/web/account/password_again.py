"""Ask for the current password again before any change that lets somebody sign in later. Otherwise somebody at an
unlocked screen could add a way in. Wrong passwords are counted for the account, on all these forms together.
"""

from collections.abc import Callable
from datetime import timedelta

from flask import Response, g, request
from flask_limiter import RouteLimit
from flask_login import current_user

from csss.audit.record import record
from csss.auth.passkeys import services as passkeys
from csss.database import transaction
from csss.errors import Invalid
from csss.i18n import _, _n
from csss.web.guard import me
from csss.web.throttle import minutes, throttled

WRONG_PASSWORDS = "10 per 15 minutes"  # as at sign-in, of one account from one address


def asks_for_password(page: Callable[[str], Response]) -> RouteLimit:
    """Limit wrong passwords on a route that asks for one. `page` shows the form with the sentence beside the field."""

    def wait(left: timedelta) -> Response:
        return page(
            _n(
                "Too many wrong passwords. Wait %(num)s minute, then try again.",
                "Too many wrong passwords. Wait %(num)s minutes, then try again.",
                minutes(left),
            )
        )

    return throttled(
        WRONG_PASSWORDS,
        "current-password.account",
        key=_own_id,
        page=wait,
        refused=_was_wrong,
        exempt=_no_password_sent,
    )


def check_password(purpose: str) -> None:
    """Check the current password in the form. A wrong one is recorded and raises Invalid (`current_password`).

    Belongs outside transaction(): hashing takes a quarter of a second, and no lock may be held that long.
    """
    given = request.form.get("current_password", "")
    if not given:
        raise Invalid(current_password=_("Enter your current password."))
    if not passkeys.password_is_right(me(), given):
        keep_wrong_password(purpose)
        raise Invalid(current_password=_("This is not your current password."))


def keep_wrong_password(purpose: str) -> None:
    count_wrong_password()
    with transaction():
        record("account.password_refused", me(), by=me(), purpose=purpose)


def count_wrong_password() -> None:
    """Count a wrong password that a service has found and recorded already."""
    g.wrong_password = True


def _own_id() -> str:
    return str(me().id)


def _no_password_sent() -> bool:
    return not current_user.is_authenticated or not request.form.get("current_password")


def _was_wrong(response: Response) -> bool:
    return response.status_code == 422 and g.get("wrong_password", False)
