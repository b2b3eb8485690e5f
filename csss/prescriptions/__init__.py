"""What the pharmacist adds."""
