"""`python -m training manifest`: hash the original data sets into one manifest.csv, in the format of the data
folder.

Hashes and thumbnails are saved as they are made, so an interrupted run continues where it stopped. A duplicate
picture is listed once. Near duplicates get one group, so that no split can separate them.
"""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image as Picture
from PIL import UnidentifiedImageError
from tqdm import tqdm

from training.data import sources
from training.data.dataset import LABELS, Image
from training.data.findings import FINDINGS_FILE
from training.data.near_duplicates import NEAR, joined, largest, near_pairs, thumbnails
from training.json_files import write_json

COLUMNS = ("path", "label", "source", "group", "native_width", "native_height", "sha256")
HASHES = "hashes.csv"
READERS: dict[str, Callable[[Path, sources.LeftOut], Iterator[sources.Entry]]] = {
    "nih": sources.nih,
    "covid": sources.covid,
    "cad": sources.cad,
}


@dataclass(frozen=True)
class Hashed:
    """What is stored about a file: its state when it was read, SHA-256, and size in pixels (0 x 0: not a picture)."""

    state: str
    sha256: str
    width: int
    height: int


def build(folders: dict[str, Path], out: Path, *, join: bool = True) -> dict[str, Any]:
    """Write `manifest.csv`, `nih_findings.csv` (if there is NIH) and `manifest.json` into `out`; return the last.

    `folders` has some or all of the keys `nih`, `covid`, `cad`. Paths in the manifest are relative to `out`. With
    `join`, pictures whose thumbnails correlate above 0.99 get one group. Raises `sources.SourceWrong`.
    """
    out.mkdir(parents=True, exist_ok=True)
    left_out = sources.LeftOut()
    entries = [
        entry for name in READERS if name in folders for entry in READERS[name](folders[name], left_out)
    ]
    rows, people = _listed(entries, hash_all([entry.file for entry in entries], out / HASHES), out, left_out)
    images = [
        Image(row["path"], row["label"], row["source"], row["group"], int(row["native_width"]))
        for row in rows
    ]
    near = near_pairs(thumbnails(out, images, out / "thumbnails.npy"))
    across = [pair for pair in near if images[pair.first].label != images[pair.second].label]
    groups = [image.group for image in images]
    if join:
        groups = joined(groups, near)
    _write(
        out / "manifest.csv",
        COLUMNS,
        [row | {"group": group} for row, group in zip(rows, groups, strict=True)],
    )
    if people:
        columns = ("path", *next(iter(people.values())))
        _write(out / FINDINGS_FILE, columns, [{"path": path} | person for path, person in people.items()])
    record = {
        "images": len(rows),
        "groups": len(set(groups)),
        "groups_before_joining": len({image.group for image in images}),
        "largest_group": largest(groups),
        "by_class": {label: count for label in LABELS if (count := Counter(i.label for i in images)[label])},
        "by_source": dict(Counter(image.source for image in images)),
        "left_out": left_out.sentences(),
        "near": {"above": NEAR, "pairs": len(near), "in_two_classes": len(across), "joined": join},
    }
    write_json(out / "manifest.json", record)
    return record


def _listed(
    entries: Sequence[sources.Entry], hashes: Sequence[Hashed], out: Path, left_out: sources.LeftOut
) -> tuple[list[dict[str, str]], dict[str, dict[str, str]]]:
    """The manifest's rows, each picture once, and NIH's patient columns by path."""
    seen: dict[str, sources.Entry] = {}
    rows, people = [], {}
    for entry, hashed in zip(entries, hashes, strict=True):
        if not hashed.width:
            left_out.counts["files that are no pictures or are damaged"] += 1
            continue
        first = seen.setdefault(hashed.sha256, entry)
        if first is not entry:
            same = first.label == entry.label
            left_out.counts[
                f"second copies of a picture {'in its class' if same else 'in another class'}"
            ] += 1
            continue
        path = Path(os.path.relpath(entry.file, out)).as_posix()
        values = (path, entry.label, entry.source, entry.group, hashed.width, hashed.height, hashed.sha256)
        rows.append({name: str(value) for name, value in zip(COLUMNS, values, strict=True)})
        if entry.person:
            people[path] = entry.person
    return rows, people


def hash_all(files: Sequence[Path], kept: Path) -> list[Hashed]:
    """Hash every file, with a progress bar; `kept` is a CSV that stores each result, from which a new run
    continues."""
    known = _known(kept)
    new = not kept.is_file()
    with kept.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if new:
            writer.writerow(["path", "state", "sha256", "width", "height"])
        elif not kept.read_bytes().endswith(b"\n"):
            stream.write("\n")  # an interruption left a partial last line
        found = []
        for number, file in enumerate(tqdm(files, desc="hashing", unit="file")):
            path, status = str(file.resolve()), file.stat()
            state = f"{status.st_size}-{status.st_mtime_ns}"
            hashed = known.get(path)
            if hashed is None or hashed.state != state:
                hashed = replace(_hash(file), state=state)
                writer.writerow([path, state, hashed.sha256, hashed.width, hashed.height])
            if number % 200 == 0:
                stream.flush()
            found.append(hashed)
    return found


def _known(kept: Path) -> dict[str, Hashed]:
    if not kept.is_file():
        return {}
    known = {}
    with kept.open(newline="", encoding="utf-8", errors="replace") as stream:
        for row in csv.DictReader(stream):
            if row["height"] is not None and len(row["sha256"]) == 64 and row["height"].isdigit():
                known[row["path"]] = Hashed(
                    row["state"], row["sha256"], int(row["width"]), int(row["height"])
                )
    return known


def _hash(file: Path) -> Hashed:
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    try:
        with Picture.open(file) as picture:
            picture.load()
            return Hashed("", digest, *picture.size)
    except (UnidentifiedImageError, OSError, SyntaxError):  # Pillow raises these for damaged PNG files
        return Hashed("", digest, 0, 0)


def _write(file: Path, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    partial = file.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(file)


def in_words(record: dict[str, Any], out: Path) -> str:
    """Describe the record for the terminal."""
    near = record["near"]
    lines = [f"{label:<18}{count:>8}" for label, count in record["by_class"].items()]
    lines += [f"{'all':<18}{record['images']:>8}", *record["left_out"]]
    lines.append(
        f"{near['pairs']} pairs look nearly the same (correlation above {near['above']}), "
        f"{near['in_two_classes']} of them in two classes."
    )
    if near["joined"]:
        lines.append(
            f"Joined: {record['groups_before_joining']} groups became {record['groups']}; the largest has "
            f"{record['largest_group']} images."
        )
    return "\n".join([*lines, f"Written: {out / 'manifest.csv'}"])
