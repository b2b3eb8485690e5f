"""Where files are kept: the interface, folders, encryption and its keys, unfinished uploads. Nothing else knows folders."""
