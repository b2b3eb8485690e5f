"""Sentences that the program itself writes into a scan's record, beside what people write there.

They are kept in English, because whoever writes them, a worker or a doctor, is not the one who reads them, and the report
carries some of them; a page puts them into its reader's language. What the classifier says stays as the model put it.
"""

from csss.i18n import N_, _

MOVED_ON = N_("The scan had moved on before the analysis was done.")
READ_WITHOUT = N_("A doctor has decided to read the scan without the classifier.")
FAILED_TWICE = N_("The analysis failed twice.")
# What the doctor reads for what the log tells in full; the first word of a kept error is its class.
_FAILURES = {
    "ModelMissing": N_("The analysis could not be done. The classifier is not installed."),
    "ModelCorrupt": N_("The analysis could not be done. The classifier's files are damaged."),
    "FileNotFoundError": N_("The analysis could not be done. The stored picture cannot be found."),
    "CannotOpen": N_("The analysis could not be done. The stored picture cannot be opened."),
    "JobTimeoutException": N_("The analysis could not be done. It took too long."),
    "MemoryError": N_("The analysis could not be done. There was not enough memory."),
    "WorkerDied": N_("The analysis could not be done. It broke off each time."),
}
_UNKNOWN = N_("The analysis could not be done. Something went wrong on our side; it has been recorded.")
_OURS = frozenset({MOVED_ON, READ_WITHOUT, FAILED_TWICE, _UNKNOWN, *_FAILURES.values()})


def failure(error: str) -> str:
    """Why an analysis failed, for the record."""
    return _FAILURES.get(error.partition(":")[0], _UNKNOWN)


def in_words(kept: str) -> str:
    """A kept reason for the person at the screen; what a person or the classifier wrote stays as it is."""
    return _(kept) if kept in _OURS else kept
