"""Take a step: do it, or say what is wrong beside the field (422) or what has happened meanwhile (409)."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext

from flask import Response
from wtforms import Form

from csss.database import transaction
from csss.errors import Invalid, StateConflict
from csss.web.forms import mark
from csss.web.fragments import UNPROCESSABLE
from csss.web.throttle import answer_to

CONFLICT = 409


def try_step(
    step: Callable[[], object],
    show: Callable[[int, str | None], Response],
    *,
    form: Form | None = None,
    place: Callable[[Mapping[str, str]], list[str]] | None = None,
    in_transaction: bool = True,
) -> Response | None:
    """Take a step, inside one transaction. None when it is done; else the page that says why it was refused.

    `show(status, sentence)` makes that page: 422 with the sentences that belong to no field, 409 with what has happened
    meanwhile. Errors of fields go into `form`; a page with other kinds of fields gives `place`, which returns the
    sentences without a field. Too many tries give 429. A step that opens its transaction itself says so
    (`in_transaction=False`): it first hashes a password or opens a picture, and no lock may be held during that.
    """
    try:
        with transaction() if in_transaction else nullcontext():
            step()
    except StateConflict as refusal:
        return show(CONFLICT, str(refusal))
    except Invalid as refusal:
        put = place or (lambda errors: mark(form, errors) if form is not None else list(errors.values()))
        unplaced = put(refusal.errors)
        return answer_to(refusal, show(UNPROCESSABLE, " ".join(unplaced) or None))
    return None
