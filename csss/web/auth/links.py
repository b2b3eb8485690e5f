"""What the two links by mail have in common that lead to a new password: an invitation, and a forgotten password.

Opening a link changes nothing, because mail scanners open links; people fill in the form behind it.
"""

from collections.abc import Callable
from typing import Any

from flask import Response, request
from flask_limiter import RouteLimit
from flask_login import current_user
from wtforms import Form

from csss.errors import NotFound
from csss.web import guard
from csss.web.fragments import page_or_fragment
from csss.web.steps import try_step
from csss.web.throttle import throttled, was_refused

Pages = tuple[str, str]  # a page and its fragment
WRONG_LINKS_OF_AN_ADDRESS = "60 per 15 minutes"


def opened_by_link(name: str, of_token: Callable[[str], Any], failed: Pages) -> RouteLimit:
    """Declare a view whose `token` comes by mail. Wrong ones are counted by network address and answered with the page
    `failed`. Nobody can guess 256 bits: whoever has a link that works is no stranger, whatever others behind the address
    try.
    """
    return throttled(
        WRONG_LINKS_OF_AN_ADDRESS,
        f"{name}-link.address",
        page=lambda _wait: no_such_link(failed),
        refused=was_refused,
        exempt=lambda: of_token((request.view_args or {}).get("token", "")) is not None,
    )


def no_such_link(failed: Pages) -> Response:
    """The answer to a link that does not work (any more)."""
    return page_or_fragment(*failed, 404)


def use_link(
    step: Callable[[], object], show: Callable[[int, str | None], Response], form: Form, failed: Pages
) -> Response | None:
    """Use up the link. None when it is done, and whoever was signed in here is signed out; else why it was refused."""
    try:
        refused = try_step(step, show, form=form, in_transaction=False)
    except NotFound:  # used in another window meanwhile
        return no_such_link(failed)
    if refused is None and current_user.is_authenticated:
        guard.sign_out()  # perhaps somebody else: a session must not stay behind without its cookie
    return refused
