"""What a correction has changed is shown word by word, in a moment, whatever was written."""

import time

from csss.web.admin.approvals.changes import Piece, compare


def test_only_the_words_that_changed_are_marked() -> None:
    change = compare("Findings", "Left lung clear.\nHeart normal.", "Right lung clear.\nHeart normal.")
    assert change is not None
    assert change.before == (Piece("out", "Left"), Piece("same", " lung clear.\nHeart normal."))
    assert change.after == (Piece("in", "Right"), Piece("same", " lung clear.\nHeart normal."))


def test_nothing_that_was_written_is_missing_from_the_comparison() -> None:
    before, after = "  Clear.\n\nNo effusion. ", "\tClear.\nSmall effusion, left.\n"
    change = compare("Findings", before, after)
    assert change is not None
    assert "".join(piece.text for piece in change.before) == before
    assert "".join(piece.text for piece in change.after) == after


def test_a_reading_that_was_written_anew_is_compared_in_a_moment() -> None:
    before = " ".join(f"old{number}" for number in range(900))
    after = " ".join(f"new{number}" for number in range(900))
    began = time.process_time()
    change = compare("Findings", before, after)
    assert change is not None
    assert [piece.kind for piece in (*change.before, *change.after)] == ["out", "in"]
    assert time.process_time() - began < 1.0  # spaces compared by themselves took half a minute
