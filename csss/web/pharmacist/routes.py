"""Routes: A pharmacist adds prescriptions."""
