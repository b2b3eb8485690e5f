"""Patients without an account: at the desk, claimed, merged, erased."""
