"""Routes: A doctor works through the worklist and reads scans."""
