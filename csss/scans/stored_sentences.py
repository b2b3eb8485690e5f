"""Hold the sentences that the program itself stores in a scan's record, beside what people write there.

They are stored in English, because the writer (a worker or a doctor) is not the reader, and the report shows some
of them. A page translates them into its reader's language. The classifier's sentences stay as the model gave them.
"""

from csss.i18n import N_, _

MOVED_ON = N_("The scan had moved on before the analysis was done.")
READ_WITHOUT = N_("A doctor has decided to read the scan without the classifier.")
FAILED_TWICE = N_("The analysis failed twice.")
# What the doctor reads; the log has the details. The first word of a stored error is its exception class.
_FAILURES = {
    "ModelMissing": N_("The analysis could not be done. The classifier is not installed."),
    "ModelCorrupt": N_("The analysis could not be done. The classifier's files are damaged."),
    "FileNotFoundError": N_("The analysis could not be done. The stored picture cannot be found."),
    "CannotOpen": N_("The analysis could not be done. The stored picture cannot be opened."),
    "JobTimeoutException": N_("The analysis could not be done. It took too long."),
    "MemoryError": N_("The analysis could not be done. There was not enough memory."),
    "WorkerDied": N_("The analysis could not be done. It was interrupted each time."),
}
_UNKNOWN = N_("The analysis could not be done. Something went wrong on our side; it has been recorded.")
_OURS = frozenset({MOVED_ON, READ_WITHOUT, FAILED_TWICE, _UNKNOWN, *_FAILURES.values()})


def failure(error: str) -> str:
    """The stored sentence that says why an analysis failed."""
    return _FAILURES.get(error.partition(":")[0], _UNKNOWN)


def in_words(kept: str) -> str:
    """Translate a stored reason for the reader; text by people or by the classifier stays unchanged."""
    return _(kept) if kept in _OURS else kept
