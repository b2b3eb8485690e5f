"""Handing a sample to its readers: pictures under study numbers, a sheet for each reader, and nothing that names a person.

What goes out: the pixels, the kind of scan, an age band, and the sex if it is asked for. The classifier's answers stay, and
so does the key.
"""

import csv
import io
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from csss.audit.record import About, record
from csss.clock import now
from csss.database import db, transaction
from csss.inference.labels import UNCERTAIN
from csss.paths import private_folder, write_private
from csss.scans.presenters import human_name
from csss.storage.files import CannotOpen, storage
from csss.study.cases import Case, cases
from csss.study.erased import take_out
from csss.study.protocol import UNREADABLE, Protocol, StudyRefused
from csss.study.study_folder import Exported, StudyFolder

_PLAIN_MODES = frozenset({"L", "RGB", "I;16"})
_KINDS = {"chest_xray": "chest X-ray", "cardiac_mri": "cardiac MRI"}


def export(study: StudyFolder, target: Path, *, with_sex: bool) -> int:
    """Write the sample to `target` and return how many scans it holds. Raises StudyRefused, OSError."""
    study.check_there()
    take_out(study)
    target = target.resolve()
    _check_apart(study, target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StudyRefused(f"{target} is there already and not empty.")
    protocol, sample = study.protocol(), cases(study.scans())
    # Known and recorded before anything is written: an erasure meanwhile finds the pictures, and an export that is broken
    # off has handed them out as well.
    exported = Exported(str(target), now(), len(sample), with_sex, mark=uuid.uuid4().hex)
    study.add_export(exported)
    with transaction():
        record("study.exported", About("study", study.name), scans=len(sample), with_sex=with_sex)
        for case in sample:
            record("scan.exported_for_study", About("scan", case.scan_id), study=study.name)
    private_folder(target / "pictures")
    with suppress(
        PermissionError
    ):  # an empty folder that was there: of somebody else, or on a disk that knows no modes
        target.chmod(0o700)
    write_private(target / "README.txt", _told(protocol, exported).encode())
    for case in sample:
        try:
            picture = pixels_only(storage().read(case.file_key))
        except (CannotOpen, OSError) as error:
            raise StudyRefused(
                f"The picture {case.number} cannot be read: {error}. Delete {target}, which holds a part of the export."
            ) from error
        write_private(target / "pictures" / f"{case.number}.png", picture)
    for place, reader in enumerate(protocol.everybody):
        order = np.random.default_rng([protocol.seed, place]).permutation(len(sample))
        sheet = reading_sheet([sample[each] for each in order], reader, with_sex=with_sex)
        write_private(target / f"sheet-{reader}.csv", sheet)
    db.session.remove()  # else the database would show what was there when this began
    take_out(study)  # who was erased while this was written
    db.session.remove()
    return len(sample)


def _check_apart(study: StudyFolder, target: Path) -> None:
    """No export beside a key, of this study or another one, whatever links lead there. Raises StudyRefused."""
    for folder in (study.path, study.path.resolve(), study.path.parent, study.path.parent.resolve()):
        if target.is_relative_to(folder) or folder.is_relative_to(target):
            raise StudyRefused("The export must lie apart from the folders of studies, which hold the keys.")


def pixels_only(stored: bytes) -> bytes:
    """The picture as a PNG that holds its pixels and nothing else. Raises OSError."""
    with Image.open(io.BytesIO(stored)) as opened:
        opened.load()
        picture = opened if opened.mode in _PLAIN_MODES else opened.convert("RGB")
        bare = Image.new(picture.mode, picture.size)
        bare.paste(picture)
    out = io.BytesIO()
    bare.save(out, "PNG")
    return out.getvalue()


def reading_sheet(sample: Sequence[Case], reader: str, *, with_sex: bool) -> bytes:
    """One line for each scan, with the reader whose sheet it is; the reader fills in the last column."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["number", "kind", "age", *(["sex"] if with_sex else []), "reader", "reading"])
    for case in sample:
        kind = _KINDS.get(case.kind, case.kind)
        writer.writerow([case.number, kind, case.age_band, *([case.sex] if with_sex else []), reader, ""])
    return out.getvalue().encode("utf-8-sig")  # so that spreadsheet programs know the encoding


def _told(protocol: Protocol, exported: Exported) -> str:
    choices = "\n".join(f"  {name:<18} {human_name(name)}" for name in protocol.classes if name != UNCERTAIN)
    return f"""Study {protocol.name}: {exported.scans} scans to be read

Drawn on {protocol.drawn_at:%Y-%m-%d}, exported on {exported.at:%Y-%m-%d} ({exported.mark}).

Each reader fills in the sheet that bears their name, alone: the pictures lie in the folder pictures, under the number of
the line. Write one of these words into the column "reading":

{choices}
  {UNREADABLE:<18} the picture cannot be read

A line that is left blank counts as not read yet. Save the sheet as CSV and give it back.

These are pictures of patients. Nothing here names them, but keep the folder as you keep patient records, and look for
names that were burnt into a picture before you pass it on. Patients may ask to be erased after the day above: ask the
hospital for the numbers that were withdrawn (csss study show {protocol.name}), and delete the folder when the study is
done. Leave this file here: by it the hospital knows the folder when it deletes the picture of an erased patient.
"""
