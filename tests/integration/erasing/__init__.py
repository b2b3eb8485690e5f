"""Erasing a patient: nothing of the person is left, nothing else is touched, and nobody does it by accident."""
