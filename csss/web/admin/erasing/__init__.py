"""An administrator erases a patient whose data is due."""
