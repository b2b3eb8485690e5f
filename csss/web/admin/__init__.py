"""An administrator approves reports, manages accounts, reads the logs and figures, and erases patients."""

from csss.web.admin.accounts import legal_hold_routes
from csss.web.admin.accounts import routes as account_routes
from csss.web.admin.approvals import batch_routes, preview_routes, queue_routes, scan_routes
from csss.web.admin.blueprint import admin
from csss.web.admin.erasing import routes as erasing_routes
from csss.web.admin.figures import routes as figure_routes
from csss.web.admin.figures import watch_routes
from csss.web.admin.hospital import routes as hospital_routes
from csss.web.admin.invitations import routes as invitation_routes
from csss.web.admin.logs import audit_routes, job_routes, mail_routes
from csss.web.admin.patients import routes as patient_routes
from csss.web.admin.records import hold_routes, invite_routes, merge_routes
from csss.web.admin.records import routes as record_routes

__all__ = ["admin"]
