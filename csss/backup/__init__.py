"""Make a consistent copy of database and files while the system runs, and restore it.

The order makes it consistent. A file is written before the commit that names it, and removed only after the commit
that no longer names it. So the database is read first, in one transaction with one snapshot; every file that it
names existed at that moment, and the files are copied afterwards. A file uploaded meanwhile is named by no row of
the copy, so it is left out. Unfinished uploads are left out, too, because the browser sends them again.

The database is stored as rows (one JSON object per line) and not in the database's own format. This needs no
external program, is identical for SQLite and PostgreSQL, and can be restored into either. Tables, triggers, indexes
and sequences come from the migrations, up to the one at which the copy was made.
"""
