"""A consistent copy of database and files while the system runs, and the way back.

The order is what makes it consistent. A file is written before the commit that names it, and removed only after the
commit that names it no more. So the database is read first, in one transaction that sees one moment; every file that
it names was there at that moment, and the files are copied afterwards. What is uploaded meanwhile is a file that no
row of the copy names, and is left out; so are unfinished uploads, which the browser sends anew.

The database is kept as rows (JSON, a line each) and not in the database's own format: it needs no program on the
machine, is alike for SQLite and PostgreSQL, and can be restored into either. Tables, triggers, indexes and sequences
come from the migrations, up to the very one at which the copy was made.
"""
