"""What everybody may change of their own account."""

from csss.web.account import passkeys, routes, second_step
from csss.web.account.blueprint import account

__all__ = ["account"]
