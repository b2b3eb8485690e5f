"""A doctor works through the worklist and reads scans."""

from csss.web.doctor import draft_routes, reading_routes, routes, together_routes
from csss.web.doctor.blueprint import doctor

__all__ = ["doctor"]
