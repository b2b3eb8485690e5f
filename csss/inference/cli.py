"""`csss predict` and `csss models`: classify files on the command line, and list the models."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from csss.inference.classes import KINDS
from csss.picture_formats import STORED_FORMATS

if TYPE_CHECKING:
    from csss.config import Settings
    from csss.inference.engine import Engine

SUFFIXES = {f".{suffix}" for each in STORED_FORMATS for suffix in (each.suffix, *each.other_suffixes)}


def expand(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield each file; for a folder, the JPEG and PNG files in it and its subfolders, sorted by name."""
    for path in paths:
        if path.is_dir():
            yield from sorted(inside for inside in path.rglob("*") if inside.suffix.lower() in SUFFIXES)
        else:
            yield path


def predict_paths(
    engine: "Engine", paths: Iterable[Path], heatmap_dir: Path | None = None, kind: str | None = None
) -> Iterator[dict[str, Any]]:
    """One record per file, in the given order. With `kind`, a class of the other kind of scan makes the prediction
    uncertain.

    A record has path, label, confidence, probabilities, uncertain, reason, model_version, findings (name to
    probability) and no_finding; the last two are None for a model that names none and for a picture that is no frontal
    chest X-ray. For a file that cannot be read or decoded it has path and error (a sentence), and the next file follows.
    With `heatmap_dir`, each scan's map is written there as `<name>-heatmap.png` (transparent layer) and
    `<name>-overlay.jpg` (blended with the scan).
    """
    from csss.inference.classes import judged_as
    from csss.inference.preprocessing import UndecodableImage

    written: set[str] = set()
    for path in expand(paths):
        try:
            data = path.read_bytes()
            result = engine.predict(data, heatmap=heatmap_dir is not None)
            result = judged_as(result, kind) if kind else result
        except UndecodableImage as error:
            yield {"path": str(path), "error": str(error)}
            continue
        except OSError as error:
            yield {"path": str(path), "error": f"The file cannot be read: {error.strerror or error}."}
            continue
        if heatmap_dir is not None and result.heatmap is not None:
            _write_maps(heatmap_dir, _free_name(path.stem, written), data, result.heatmap)
        yield {
            "path": str(path),
            "label": result.label,
            "confidence": result.confidence,
            "probabilities": result.probabilities,
            "uncertain": result.uncertain,
            "reason": result.reason,
            "model_version": result.model_version,
            "findings": result.findings,
            "no_finding": result.no_finding,
        }


def _free_name(stem: str, written: set[str]) -> str:
    """The stem, numbered when an earlier file of this call had the same stem."""
    name, number = stem, 1
    while name in written:
        number += 1
        name = f"{stem}-{number}"
    written.add(name)
    return name


def _write_maps(folder: Path, name: str, data: bytes, cam: Any) -> None:
    from csss.inference.heatmap import blend, heatmap_png
    from csss.inference.preprocessing import decode

    folder.mkdir(parents=True, exist_ok=True)
    height, width = decode(data).shape[:2]
    layer = heatmap_png(cam, width, height)
    (folder / f"{name}-heatmap.png").write_bytes(layer)
    (folder / f"{name}-overlay.jpg").write_bytes(blend(data, layer))


def _print_table(engine: "Engine", records: Iterator[dict[str, Any]]) -> bool:
    """Print a line per file as it is done, with its probabilities below; returns whether every file could be read."""
    good = True
    for record in records:
        if "error" in record:
            good = False
            click.echo(f"{record['path']}\n  Not read. {record['error']}")
            continue
        click.echo(f"{record['path']}\n  {record['label']}  {record['confidence']:.1%}")
        if record["reason"]:
            click.echo(f"  {record['reason']}")
        for label in engine.info.labels:
            share = record["probabilities"][label.name]
            click.echo(f"    {label.name:<16} {share:>6.1%}  {'#' * round(share * 30)}")
        if record["findings"] is not None:
            _print_findings(engine, record)
    click.echo(f"Model {engine.info.version}. A doctor must read every scan.")
    return good


def _print_findings(engine: "Engine", record: dict[str, Any]) -> None:
    """A line for each finding, most probable first, and one for none; a mark where one is at or above its threshold."""
    from csss.inference.labels import NO_FINDING

    click.echo("  Findings to look for, no diagnosis (* at or above its threshold):")
    shares = sorted(record["findings"].items(), key=lambda each: each[1], reverse=True)
    thresholds = {each.name: each.threshold for each in engine.info.findings}
    for name, share in (*shares, (NO_FINDING, record["no_finding"])):
        mark = "*" if share >= thresholds[name] else " "
        click.echo(f"  {mark} {name:<18} {share:>6.1%}  {'#' * round(share * 30)}".rstrip())


def _in_use(context: click.Context, settings: "Settings") -> Path:
    """The model folder in use. The program `csss` hands over a function that knows what an administrator has chosen."""
    from csss.inference.labels import default_folder

    if context.obj is not None:
        return Path(context.obj(settings))
    return Path(settings.model).expanduser() if settings.model else default_folder()


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, in the order given.")
@click.option(
    "--heatmap",
    "heatmap_dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write heat maps to this folder.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Model folder; default CSSS_MODEL, or the version in use.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Below this confidence a scan is Uncertain; default CSSS_THRESHOLD or the model's own.",
)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    help="What the pictures are; a class of the other kind is then Uncertain. Default: not compared.",
)
@click.pass_context
def predict(
    context: click.Context,
    images: tuple[Path, ...],
    *,
    as_json: bool,
    heatmap_dir: Path | None,
    model: Path | None,
    threshold: float | None,
    kind: str | None,
) -> None:
    """Classify JPEG or PNG files, or all of them in a folder.

    The exit code is 1 when a file could not be read.
    """
    from csss.config import load_settings
    from csss.inference.engine import Engine
    from csss.inference.labels import ModelCorrupt, ModelMissing

    settings = load_settings()
    try:
        engine = Engine.load(
            model or _in_use(context, settings), settings.threshold if threshold is None else threshold
        )
    except (ModelMissing, ModelCorrupt) as error:
        raise click.ClickException(str(error)) from error
    records = predict_paths(engine, images, heatmap_dir, kind)
    if as_json:
        every = list(records)
        click.echo(json.dumps(every, indent=2, ensure_ascii=False))
        good = all("error" not in record for record in every)
    else:
        good = _print_table(engine, records)
    if not good:
        sys.exit(1)


def _yes(said: bool) -> str:
    return "yes" if said else "no"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the installed models with their figures; an asterisk marks the active one."""
    from csss.config import load_settings
    from csss.inference.catalogue import installed, model_record, own_models
    from csss.inference.labels import ModelCorrupt, ModelMissing

    settings = load_settings()
    try:
        found = installed(_in_use(context, settings), own_models(settings.instance_folder))
        records = [model_record(folder, active) for folder, active in found]
    except (ModelMissing, ModelCorrupt) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(records, indent=2, ensure_ascii=False))
        return
    click.echo(
        f"  {'version':<12}{'created':<12}{'macro-F1':>9}{'accuracy':>10}{'accepted':>10}{'wrong then':>12}"
        f"{'calibration':>13}  refuses other pictures  names findings"
    )
    for record in records:
        keys = ("accuracy", "accepted", "error_accepted", "calibration_error")
        f1 = "-" if record["macro_f1"] is None else f"{record['macro_f1']:.3f}"
        accuracy, accepted, wrong, scale = (
            "-" if record[key] is None else f"{record[key]:.1%}" for key in keys
        )
        click.echo(
            f"{'*' if record['active'] else ' '} {record['version']:<12}{record['created']:<12}{f1:>9}{accuracy:>10}"
            f"{accepted:>10}{wrong:>12}{scale:>13}  {_yes(record['knows_other_pictures']):<24}"
            f"{_yes(record['names_findings'])}"
        )
    click.echo(
        "Figures are of held-back images of the training data, those of a version +h of readings of this hospital; see "
        "MODEL_CARD.md in each folder for the limits."
    )
