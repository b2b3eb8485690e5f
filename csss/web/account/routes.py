"""Routes: What everybody may change of their own account."""

from flask import Response

from csss.auth.permissions import Permission
from csss.web.account import account
from csss.web.fragments import page_or_fragment
from csss.web.guard import requires


@account.get("")
@requires(Permission.OWN_ACCOUNT)
def page() -> Response:
    return page_or_fragment("account/account.html", "account/_account.html")
