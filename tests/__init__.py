"""The tests. Compiled files are kept, whatever this machine's habit: else each process of a run, and each command that a
test starts, would compile the application anew, and pytest would rewrite every assertion."""

import os
import sys

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
