"""A pharmacist adds prescriptions."""

from csss.web.pharmacist import desk, routes, templates
from csss.web.pharmacist.blueprint import pharmacist

__all__ = ["pharmacist"]
