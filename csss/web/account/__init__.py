"""Pages on which people change their own account."""

from csss.web.account import passkeys, routes, second_step
from csss.web.account.blueprint import account

__all__ = ["account"]
