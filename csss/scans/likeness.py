"""Ask at an upload whether the picture looks like a scan of its kind. Advice for the sender; it never refuses a picture."""

import logging
from collections.abc import Callable
from pathlib import Path

from flask import current_app

from csss.confinement.child import Program
from csss.confinement.parent import Room, Unfinished
from csss.inference.labels import ModelCorrupt, ModelMissing
from csss.scans.doubts import Doubt
from csss.scans.intake import Intake
from csss.scans.states import ScanKind

log = logging.getLogger(__name__)

# It reads the model's files, so it is not sealed; a picture of 40 million pixels takes 400 MB.
CHECKER = Program(
    "csss.scans.likeness_child",
    memory=900_000_000,
    cpu_seconds=10,
    seconds=20,
    largest_answer=1_000,
    sealed=False,
)
# None waits ready: each would hold 90 MB in each web process, and starting one takes half a second.
_room = Room(CHECKER, at_once=1, patience=5, nice=5, spare=False)


def doubts_about(taken: Intake, kind: ScanKind, model: Callable[[], Path]) -> list[Doubt]:
    """What speaks against this picture; nothing when it cannot be checked now: a scan is more important than advice.

    `model` finds the folder of the classifier in use.
    """
    if not current_app.config["CSSS"].check_pictures:
        return []
    try:
        request = b"%s\n%s\n" % (kind.value.encode(), str(model().absolute()).encode())
        return [Doubt(name) for name in _room.run(request + taken.content).decode("ascii").split()]
    except (ModelMissing, ModelCorrupt, Unfinished, ValueError) as error:
        log.warning("a picture is taken unchecked: %s: %s", type(error).__name__, error)
        return []
