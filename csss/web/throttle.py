"""Limit the tries of strangers: declared on the route, counted by Flask-Limiter in a store that all processes share.

A limit answers 429 with the form, a sentence and `Retry-After`. It is checked after the form's token, so that no other site
can use up somebody's tries. Keys hold no e-mail address, only a keyed hash of it.

**A limit that many people share must lock none of them out.** One network address may be that of a whole hospital, and
one visitor can use up its tries. So people who have signed in from there recently (`is_known_here`) are exempt from the
limit of the address and keep the tries of their own account. Two things must still hold:

- *No answer tells who is known there.* Once the address is used up, everything but a success answers alike, known or not:
  status, sentence and `Retry-After` are those of the limit. What the exempt ones do wrong is counted for the address, too
  (`count`), because a counter that stands still for some would tell them apart.
- *An address that is used up cannot guess on.* Of accounts that are not known there nothing is looked at any more; of each
  that is, its own ten tries in a quarter of an hour, which it has in any case.
"""

import logging
import math
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache

from flask import Flask, Response, g, request
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
    """Where the request comes from (through the trusted proxies): an IPv4 address, or the network of an IPv6 address."""
    return network_of(request.remote_addr or "")


def typed_email() -> str:
    """The typed address, normalised as for finding accounts: no spelling of an address may get tries of its own."""
    text = clean(request.form.get("email"))
    try:
        return accounts.normal_email(text)
    except Invalid:  # not `try_step`: no step, any typed text is counted
        return text.strip().lower()[:254]


def account_key(email: str) -> str:
    return secrets.keyed_hash("throttle", email)[:_HASH_LENGTH]


def from_here(account: str) -> str:
    return f"{account}@{client_network()}"


def typed_account() -> str:
    """The account that the request names, whether it exists or not."""
    return account_key(typed_email())


def typed_account_from_here() -> str:
    return from_here(typed_account())


def nothing_typed() -> bool:
    return not typed_email()


def has_signed_in_here(email: str) -> bool:
    """Whether the person with this e-mail address has signed in from here recently."""
    here = client_network()
    return any(network_of(each) == here for each in sessions.addresses_of(email))


def is_known_here() -> bool:
    """Whether the request names a person who has signed in from here recently."""
    if "is_known_here" not in g:  # several limits of a route ask
        email = typed_email()
        g.is_known_here = bool(email) and has_signed_in_here(email)
    return bool(g.is_known_here)


def account_is_known_here() -> bool:
    """Whether the account's owner is known at this address. Strangers who try one account from many addresses do not
    lock its owner out: tries from the owner's address have a limit of their own.
    """
    return nothing_typed() or is_known_here()


limiter = Limiter(
    key_func=client_network, storage_uri=f"{SCHEME}://", strategy="fixed-window", key_prefix="csss"
)


def init_throttle(app: Flask) -> None:
    """Register the limits: after the guard and the check of form tokens, before the views."""
    # A log line for each request of a flood is useless; the audit log has the first one.
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

    `page` makes the answer when there are too many, and gets how long to wait. With `refused`, only answers for which
    it is true are counted, after the view, so one request in each thread may pass at once. Routes of one `scope` share
    the limit.
    """

    def answer(breached: RequestLimit) -> Response:
        wait = _until(breached.window.reset_time)
        _keep_once(breached, scope)
        response = page(wait)
        return response if "Retry-After" in response.headers else too_many(response, wait)

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
    """Record only the first refusal of a quarter of an hour in the audit log, because refusals may come in a flood."""
    if limiter.limiter.hit(_once(), "audit", *breached.request_args):
        with transaction():
            record("request.throttled", scope=scope)


def wait_of_address(limit: str, scope: str) -> timedelta | None:
    """How long the network of this request has to wait; None if it need not wait. Counts nothing."""
    item, place = parse(limit), ("csss", client_network(), scope)
    if limiter.limiter.test(item, *place):
        return None
    return _until(limiter.limiter.get_window_stats(item, *place).reset_time)


def count(limit: str, scope: str) -> None:
    """Count one more for the network of this request, where a limit has exempted it."""
    limiter.limiter.hit(parse(limit), "csss", client_network(), scope)


def may_still(limit: str, scope: str) -> bool:
    """Count one more for the network of this request; False when that is one too many."""
    return limiter.limiter.hit(parse(limit), "csss", client_network(), scope)


def _until(reset_time: float) -> timedelta:
    return timedelta(seconds=max(1, math.ceil(reset_time - time.time())))


def forget(limit: str, scope: str, key: str) -> None:
    """Reset the count: the person has proved to be the owner."""
    limiter.limiter.clear(parse(limit), "csss", key, scope)


def too_many(response: Response, wait: timedelta) -> Response:
    """Turn `response` into the answer to too many tries."""
    response.status_code = 429
    response.headers["Retry-After"] = str(max(1, math.ceil(wait.total_seconds())))
    return response


def answer_to(refusal: Invalid, response: Response) -> Response:
    """Turn `response`, which shows the refusal, into its answer, with `Retry-After` if the refusal has a waiting time."""
    return too_many(response, refusal.wait) if isinstance(refusal, TooMany) else response


def minutes(wait: timedelta) -> int:
    """For sentences: whole minutes, at least one."""
    return max(1, math.ceil(wait.total_seconds() / 60))


def was_accepted(response: Response) -> bool:
    return response.status_code in {204, 303}  # what `redirect_after` answers


def was_refused(response: Response) -> bool:
    return response.status_code in {401, 403, 404, 422}
