"""The hospital: its name, logo, address and formulary, as an administrator has set them."""
