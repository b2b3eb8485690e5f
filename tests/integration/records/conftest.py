"""Fixtures of these tests."""

import pytest

from csss.people.models import User
from tests.factories import Clinic
from tests.integration.records.desk import loose


@pytest.fixture
def admin_user(clinic: Clinic) -> User:
    """An administrator at the front desk."""
    admin = clinic.person("admin")
    clinic.run_jobs()
    return loose(admin)
