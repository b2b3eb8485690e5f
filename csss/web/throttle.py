"""Limits on what strangers try: declared on the route, counted by Flask-Limiter in a store that all processes share.

A limit answers 429 with the form, a sentence and `Retry-After`. It is checked after the form's token, so that no other site
can use up somebody's tries. Keys hold no e-mail address, only a keyed hash of it.
"""

import logging
import math
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache

from flask import Flask, Response, request
from flask_limiter import Limiter, RequestLimit, RouteLimit
from limits import RateLimitItem, parse

from csss.audit.record import record
from csss.auth import accounts, secrets, sessions
from csss.database import transaction
from csss.errors import Invalid, TooMany
from csss.networks import network_of
from csss.throttle.storage import SCHEME
from csss.web.forms import clean

_HASH_LENGTH = 32  # of 64: two accounts never share one


def client_network() -> str:
    """Where the request comes from (through the trusted proxies): an IPv4 address, or the network of an IPv6 line."""
    return network_of(request.remote_addr or "")


def typed_email() -> str:
    """In the one form in which accounts are looked up: no spelling of an address may bring tries of its own."""
    text = clean(request.form.get("email"))
    try:
        return accounts.normal_email(text)
    except Invalid:
        return text.strip().lower()[:254]


def account_key(email: str) -> str:
    return secrets.keyed_hash("throttle", email)[:_HASH_LENGTH]


def from_here(account: str) -> str:
    return f"{account}@{client_network()}"


def typed_account() -> str:
    """The account that is meant, whether it exists or not."""
    return account_key(typed_email())


def typed_account_from_here() -> str:
    return from_here(typed_account())


def nothing_typed() -> bool:
    return not typed_email()


def account_is_known_here() -> bool:
    """Whether the person who is meant has signed in from here of late.

    Strangers who try one account from everywhere do not keep its owner out; they would have to try from here, and
    that has a limit of its own.
    """
    here = client_network()
    return nothing_typed() or any(network_of(each) == here for each in sessions.addresses_of(typed_email()))


limiter = Limiter(
    key_func=client_network, storage_uri=f"{SCHEME}://", strategy="fixed-window", key_prefix="csss"
)


def init_throttle(app: Flask) -> None:
    """After the guard and the check of form tokens, before the views."""
    # A line for each request of a flood helps nobody; the audit log has the first one.
    logging.getLogger("flask-limiter").setLevel(logging.WARNING)
    limiter.init_app(app)


def throttled(
    limit: str,
    scope: str,
    *,
    key: Callable[[], str] = client_network,
    page: Callable[[timedelta], Response],
    refused: Callable[[Response], bool] | None = None,
    exempt: Callable[[], bool] | None = None,
) -> RouteLimit:
    """A limit on the POSTs of a route, such as `10 per 15 minutes`; goes below the declaration of the permission.

    `page` makes the answer to one too many, and gets how long to wait. With `refused` only answers for which it holds are
    counted, after the view, so as many requests as there are threads may pass at once. Routes of one `scope` share it.
    """

    def answer(breached: RequestLimit) -> Response:
        wait = timedelta(seconds=max(1, math.ceil(breached.window.reset_time - time.time())))
        _keep_once(breached, scope)
        return too_many(page(wait), wait)

    return limiter.shared_limit(
        limit,
        scope,
        key_func=key,
        methods=["POST"],
        deduct_when=refused,
        exempt_when=exempt,
        on_breach=answer,
    )


@cache
def _once() -> RateLimitItem:
    return parse("1 per 15 minutes")


def _keep_once(breached: RequestLimit, scope: str) -> None:
    """For the audit log: the first refusal of a quarter of an hour, since a flood of them is what a limit is there for."""
    if limiter.limiter.hit(_once(), "audit", *breached.request_args):
        with transaction():
            record("request.throttled", scope=scope)


def forget(limit: str, scope: str, key: str) -> None:
    """Begin counting anew: it was the owner after all."""
    limiter.limiter.clear(parse(limit), "csss", key, scope)


def too_many(response: Response, wait: timedelta) -> Response:
    """`response` as the answer to one too many."""
    response.status_code = 429
    response.headers["Retry-After"] = str(max(1, math.ceil(wait.total_seconds())))
    return response


def answer_to(refusal: Invalid, response: Response) -> Response:
    """`response` shows the refusal; where that says how long to wait, so does the answer."""
    return too_many(response, refusal.wait) if isinstance(refusal, TooMany) else response


def minutes(wait: timedelta) -> int:
    """For sentences: whole minutes, at least one."""
    return max(1, math.ceil(wait.total_seconds() / 60))


def was_accepted(response: Response) -> bool:
    return response.status_code in {204, 303}  # what `redirect_after` answers


def was_refused(response: Response) -> bool:
    return response.status_code in {401, 403, 404, 422}
