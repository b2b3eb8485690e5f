"""A patient uploads a scan, follows it and fetches the report."""

from csss.web.patient import about, routes, uploads, withdrawing
from csss.web.patient.blueprint import patient

__all__ = ["patient"]
