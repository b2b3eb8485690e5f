"""Process untrusted input in a sandboxed child process: `parent` starts it, `child` runs in it."""
