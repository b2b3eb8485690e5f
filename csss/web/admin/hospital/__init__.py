"""An administrator changes the hospital's name, logo, address and formulary."""
