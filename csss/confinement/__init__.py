"""Work on what strangers have sent, in a child process that can do little: `parent` starts it, `child` runs in it."""
