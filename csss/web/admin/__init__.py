"""An administrator approves reports, manages accounts and reads the audit log."""

from csss.web.admin import accounts, batches, erasing, jobs, logs, routes, statistics
from csss.web.admin.blueprint import admin

__all__ = ["admin"]
