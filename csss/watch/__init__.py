"""Watch whether the classifier's pictures and answers change: compare recent scans with the first ones of a version.

- `rules`: the limits, pure functions of numbers
- `figures`: what is watched, and one window of scans against another
- `queries`: reads both windows from the database
- `alarms`: opens and closes alarms once a day, and tells administrators
- `words`: says what has changed
"""
