"""An administrator corrects a patient's details."""
