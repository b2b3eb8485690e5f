"""Keep one view of the worklist for each doctor: its filters and its order.

`save` and `forget` belong inside transaction().
"""

from collections.abc import Mapping

from sqlalchemy import delete, select

from csss.clock import now
from csss.database import db
from csss.people.models import User
from csss.scans.draft_models import WorklistView


def saved_by(doctor: User) -> dict[str, str] | None:
    """The saved filters and order of this doctor, None without any."""
    return db.session.scalar(select(WorklistView.filters).where(WorklistView.user_id == doctor.id))


def save(filters: Mapping[str, str], *, by: User) -> None:
    """Replace this doctor's view."""
    # The lock lets two windows save one after the other.
    db.session.scalar(select(User.id).where(User.id == by.id).with_for_update())
    found = db.session.get(WorklistView, by.id)
    if found is None:
        db.session.add(WorklistView(user_id=by.id, filters=dict(filters)))
    else:
        found.filters, found.saved_at = dict(filters), now()


def forget(*, by: User) -> None:
    """Delete this doctor's view; nothing happens when there is none."""
    db.session.execute(delete(WorklistView).where(WorklistView.user_id == by.id))
