"""Routes: an administrator lets people in and shuts accounts."""

import uuid
from collections.abc import Callable
from typing import Any

from flask import Response, flash, request

from csss.auth import accounts as services
from csss.auth import queries
from csss.auth.models import AccountState, User
from csss.auth.permissions import Permission
from csss.auth.roles import Role
from csss.database import transaction
from csss.errors import StateConflict
from csss.web.admin import admin
from csss.web.admin.forms import AccountFilter
from csss.web.admin.list_presenters import account_row
from csss.web.fragments import page_or_fragment, redirect_after
from csss.web.guard import me, requires
from csss.web.listing import filters, list_url, page_number, pager, query_string


@admin.get("/users")
@requires(Permission.ACCOUNT_MANAGE)
def users() -> Response:
    """All accounts; those that wait for approval first."""
    return _show()


@admin.post("/users/<uuid:user_id>/approve")
@requires(Permission.ACCOUNT_MANAGE)
def approve_user(user_id: uuid.UUID) -> Response:
    return _change(user_id, services.approve, "{} can sign in now and is told so by e-mail.")


@admin.post("/users/<uuid:user_id>/refuse")
@requires(Permission.ACCOUNT_MANAGE)
def refuse_user(user_id: uuid.UUID) -> Response:
    return _change(user_id, services.refuse, "The account of {} is refused.")


@admin.post("/users/<uuid:user_id>/deactivate")
@requires(Permission.ACCOUNT_MANAGE)
def deactivate_user(user_id: uuid.UUID) -> Response:
    return _change(
        user_id, services.deactivate, "The account of {} is deactivated and signed out everywhere."
    )


@admin.post("/users/<uuid:user_id>/reactivate")
@requires(Permission.ACCOUNT_MANAGE)
def reactivate_user(user_id: uuid.UUID) -> Response:
    return _change(user_id, services.reactivate, "{} can sign in again.")


def _change(user_id: uuid.UUID, step: Callable[..., User], done: str) -> Response:
    """One step with one account, then the list as it was filtered (the form's action carries that on)."""
    try:
        with transaction():
            name = step(user_id, by=me()).name
    except StateConflict as conflict:
        return _show(status=409, conflict=str(conflict))
    flash(done.format(name), "success")
    return redirect_after(list_url(".users", filters(but="")))


def _show(*, status: int = 200, conflict: str = "") -> Response:
    form = AccountFilter(request.args)
    page = queries.accounts(
        role=Role(form.role.data) if form.role.data in set(Role) else None,
        state=AccountState(form.state.data) if form.state.data in set(AccountState) else None,
        search=form.q.data or "",
        page=page_number(),
    )
    values: dict[str, Any] = {
        "form": form,
        "rows": [account_row(user, me()) for user in page.users],
        "query": query_string(),
        "conflict": conflict,
        "pager": pager(
            number=page.number, size=page.size, shown=len(page.users), total=page.total, endpoint=".users"
        ),
    }
    return page_or_fragment("admin/users.html", "admin/_users.html", status=status, **values)
