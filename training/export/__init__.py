"""The model folder that CSSS uses at run time: network files, labels, card."""
