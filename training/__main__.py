"""`python -m training`: run the training steps. Each step leaves its record in the run's folder and can be
repeated."""

from pathlib import Path
from typing import Any

import click

from csss.inference.labels import ModelCorrupt, ModelMissing
from csss.paths import MODELS
from training.data.dataset import DataMissing, data_folder, weights_file
from training.data.sources import SourceWrong
from training.json_files import write_json
from training.recipes import CSSS, RECIPES
from training.run import SEED, Run, RunDiffers, StepMissing, active_version

PROBLEMS = (DataMissing, SourceWrong, StepMissing, RunDiffers, ModelMissing, ModelCorrupt)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
READING = ("evaluate", "synthetic", "int8")
"""Steps that read a model; without options they use the active one."""


class Steps(click.Group):
    """Shows an expected error as one sentence instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PROBLEMS as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Steps)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Data folder; default $CSSS_DATA or ../shared/data."
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Base weights; default $CSSS_WEIGHTS, ../shared/weights, imagenet.",
)
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    help="`paper` as published, or `csss`, ours; default csss, or the active model's when evaluating.",
)
@click.option("--version", help="Name of the run and of the model folder, a recipe first; default RECIPE-1.")
@click.option("--runs", type=click.Path(path_type=Path), help="Folder of all runs; default training/runs.")
@click.option("--models", type=click.Path(path_type=Path), help="Folder of all models; default models.")
@click.pass_context
def main(
    ctx: click.Context,
    /,
    data: Path | None,
    weights: Path | None,
    recipe: str | None,
    version: str | None,
    **places: Path | None,
) -> None:
    """Train the classifier: split, train, distil, calibrate, export, outliers, evaluate; or `all` of them."""
    folders: dict[str, Any] = {key: place for key, place in places.items() if place}
    if version is None and recipe is None and ctx.invoked_subcommand in READING:
        version = active_version(folders.get("models", MODELS))
    version = version or f"{recipe or CSSS.name}-1"
    if version.partition("-")[0] not in RECIPES or recipe not in {None, version.partition("-")[0]}:
        raise click.UsageError(f"A version begins with its recipe ({', '.join(RECIPES)}), as in csss-4.")
    ctx.obj = (Run(version, **folders), data, weights)


@main.command()
@click.option("--nih", type=FOLDER, help="NIH ChestX-ray14: images_*/images and Data_Entry_2017.csv.")
@click.option("--covid", type=FOLDER, help="COVID-19 Radiography Database: a folder per class, with images/.")
@click.option("--cad", type=FOLDER, help="CAD Cardiac MRI: Normal and Sick, with a Directory_* per patient.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The new data folder, for --data."
)
@click.option("--join/--no-join", default=True, show_default=True, help="Near duplicates share a group.")
def manifest(out: Path, join: bool, **folders: Path | None) -> None:
    """List the original public data sets as one data folder; an interrupted run continues where it stopped."""
    from training.data.manifest import build, in_words

    given = {name: folder for name, folder in folders.items() if folder}
    if not given:
        raise click.UsageError("Name at least one of --nih, --covid and --cad.")
    click.echo(in_words(build(given, out, join=join), out))


@main.command()
@click.option("--seed", default=SEED, show_default=True)
@click.pass_obj
def split(obj: tuple[Run, Path | None, Path | None], seed: int) -> None:
    """Split the images by patient and check for leaks."""
    from training.data import split as splitting
    from training.data.collection import gather, more_folder
    from training.measuring.evaluate import split_record

    run, data = obj[0], data_folder(obj[1])
    found = gather(data, seed, more=more_folder(data) if run.recipe.more else None)
    images, sides = found.images, found.sides
    splitting.write_split(run.split_file, images, sides)
    pairs = splitting.near_duplicates(data, images, sides, keep=run.folder / "thumbnails.npy")
    record = split_record(images, sides, seed)
    record["near_duplicates"] = {
        "above": splitting.NEAR,
        "pairs": len(pairs),
        "examples": [[pair.first, pair.second, pair.correlation] for pair in pairs[:10]],
    }
    run.write("split", record)
    click.echo(f"{record['sides']} images, {record['groups_by_side']} groups, no group on two sides.")
    click.echo(f"Pairs across sides that look the same (correlation above {splitting.NEAR}): {len(pairs)}.")
    for pair in pairs[:10]:
        click.echo(f"  {pair.first}  {pair.second}  {pair.correlation:.4f}")
    click.echo(f"Written: {run.split_file}")


@main.command()
@click.option("--seed", default=SEED, show_default=True)
@click.option(
    "--resize", type=click.Choice(["area", "bilinear"]), help="Skip the comparison and use this one."
)
@click.pass_obj
def train(obj: tuple[Run, Path | None, Path | None], seed: int, resize: str | None) -> None:
    """Train the head; an interrupted training continues where it stopped."""
    from training.fitting.train import train as run_training

    _kept(run_training(obj[0].of_seed(seed), data_folder(obj[1]), weights_file(obj[2]), resize))


def _kept(record: dict[str, Any]) -> None:
    best = record["history"][record["best_epoch"] - 1]
    click.echo(
        f"Epoch {record['best_epoch']} of {len(record['history'])} kept: validation accuracy "
        f"{best['val_accuracy']:.4f}, macro-F1 {best['val_macro_f1']:.4f}."
    )


@main.command()
@click.option("--seeds", default="42,43,44", show_default=True, help="Seeds to train and to evaluate.")
@click.pass_obj
def seeds(obj: tuple[Run, Path | None, Path | None], seeds: str) -> None:
    """Train and evaluate the recipe with several seeds, on the same split."""
    from training.experiments.seeds import several

    wanted = [int(part) for part in seeds.split(",")]
    record = several(obj[0], data_folder(obj[1]), weights_file(obj[2]), wanted)
    for seed, row in record["by_seed"].items():
        figures = row["as stored"]
        click.echo(f"seed {seed}: macro-F1 {figures['macro_f1']:.4f}, accuracy {figures['accuracy']:.4f}")


@main.command()
@click.pass_obj
def distil(obj: tuple[Run, Path | None, Path | None]) -> None:
    """Train the networks of several seeds, and one that learns their mean."""
    from training.fitting.distil import distil as run_distillation

    run = obj[0]
    if not run.recipe.panel:
        click.echo(f"Nothing to do: the recipe {run.recipe.name} releases a network without distillation.")
        return
    _kept(run_distillation(run, data_folder(obj[1]), weights_file(obj[2])))


@main.command()
@click.pass_obj
def trials(obj: tuple[Run, Path | None, Path | None]) -> None:
    """Evaluate single changes of the published recipe on the validation images: scaled input, no flip."""
    from training.experiments.trials import trials as run_trials

    record = run_trials(obj[0], data_folder(obj[1]), weights_file(obj[2]))
    for name, row in record["by_trial"].items():
        click.echo(f"{name}: validation macro-F1 {row['val_macro_f1']['mean']:.4f}")


@main.command()
@click.option("--network", required=True, help="Earlier version whose features the probes are fitted on.")
@click.pass_obj
def additions(obj: tuple[Run, Path | None, Path | None], network: str) -> None:
    """Measure with linear probes what each part of the additional images brings."""
    from csss.inference import Engine
    from training.experiments.additions import additions as run_additions

    record = run_additions(obj[0], data_folder(obj[1]), Engine.load(obj[0].models / network))
    for name, row in record["sets"].items():
        figures = ", ".join(
            f"{key} {row[key]:.3f}" for key in ("no_finding", "findings", "opacity", "sick_heart")
        )
        click.echo(f"{name} ({row['images']} images): {figures}")


def _chosen(run: Run, seed: int | None) -> Run:
    return run.shipped if seed is None else run.of_seed(seed)


@main.command()
@click.option("--seed", type=int, help="Network of this seed; default the released one.")
@click.pass_obj
def calibrate(obj: tuple[Run, Path | None, Path | None], seed: int | None) -> None:
    """Fit the temperature on the validation set."""
    from training.fitting.calibrate import calibrate as run_calibration

    record = run_calibration(_chosen(obj[0], seed), data_folder(obj[1]), weights_file(obj[2]))
    val = record["val"]
    click.echo(
        f"Temperature {record['temperature']:.4f}; calibration error {val['ece_before']:.4f} -> {val['ece_after']:.4f}."
    )


@main.command()
@click.option("--activate/--no-activate", default=False, help="Name this model in models/ACTIVE.")
@click.option("--seed", type=int, help="Network of this seed; default the distilled one, if any.")
@click.pass_obj
def export(obj: tuple[Run, Path | None, Path | None], activate: bool, seed: int | None) -> None:
    """Write the model folder and check that LiteRT and Keras agree."""
    from training.export.model_folder import export as run_export

    record = run_export(_chosen(obj[0], seed), data_folder(obj[1]), weights_file(obj[2]), activate)
    precision = record["precision"]
    click.echo(f"{precision} weights: {record['parity'][precision]}. Written: {obj[0].model_folder}")


@main.command()
@click.pass_obj
def int8(obj: tuple[Run, Path | None, Path | None]) -> None:
    """Try int8 on a finished model and store the metrics; `export` does it, too."""
    from training.export.model_folder import try_int8

    record = try_int8(obj[0].model_folder, data_folder(obj[1]))
    click.echo(
        f"Validation macro-F1 {record['macro_f1']:.4f} -> {record['macro_f1_int8']:.4f}, "
        f"{record['milliseconds']:.1f} -> {record['milliseconds_int8']:.1f} ms, "
        f"{record['bytes']} -> {record['bytes_int8']} bytes."
    )
    click.echo(
        "Worth shipping." if record["shipped"] else f"Not shipped: {'; '.join(record['refused_because'])}."
    )


@main.command()
@click.pass_obj
def outliers(obj: tuple[Run, Path | None, Path | None]) -> None:
    """Fit the score that detects unrelated pictures, with its threshold."""
    from training.fitting.outlier_score import fit

    record = fit(obj[0], data_folder(obj[1]))
    for name, row in record["tried"].items():
        click.echo(f"{name}: AUROC {row['auroc']:.4f}, refused {row['refused']:.4f}")
        for kind, part in row["by_kind"].items():
            click.echo(f"  {kind:<12} AUROC {part['auroc']:.4f}, refused {part['refused']:.4f}")
    click.echo(f"Kept: {record['method']}, threshold {record['threshold']:.4f}.")


@main.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when the metrics differ from metrics.json.")
@click.option(
    "--tolerance",
    default=0.0,
    show_default=True,
    help="For --check on another kind of processor, for instance 0.002.",
)
@click.option(
    "--beside",
    default="paper-1",
    show_default=True,
    help="Version measured on the same images for comparison.",
)
@click.pass_obj
def evaluate(obj: tuple[Run, Path | None, Path | None], check: bool, tolerance: float, beside: str) -> None:
    """Evaluate the released model on the held-out test set and write metrics, plots and card."""
    from csss.inference import Engine
    from csss.inference.labels import read_info
    from training.measuring import evaluate as evaluation

    run = obj[0]
    click.echo(f"Model {run.version}")
    engine = Engine.load(run.model_folder)
    metrics = evaluation.read_metrics(run.model_folder)
    data = data_folder(obj[1])
    side = evaluation.read_side(engine, data, metrics)
    figures = evaluation.side_figures(engine, side, metrics["calibration"])
    click.echo(evaluation.table(figures))
    if check:
        found = evaluation.differences(metrics.get("test"), figures, tolerance)
        if found:
            raise click.ClickException("\n".join(found))
        click.echo("These are the figures of metrics.json.")
        return
    from training.export.model_card import model_card
    from training.export.software import software
    from training.measuring import mistakes
    from training.measuring.parts import parts_beside_others
    from training.measuring.plots import draw_all
    from training.measuring.shortcut_audit import audit
    from training.measuring.subgroups import people

    metrics["test"] = figures
    validation = evaluation.read_side(engine, data, metrics, "val")
    metrics["validation"] = evaluation.side_figures(engine, validation, metrics["calibration"])
    if run.recipe.more:
        metrics["parts"] = parts_beside_others(run, engine, data, metrics, side=side, validation=validation)
    other = None
    if run.version != beside:
        if (run.models / beside).is_dir():
            other = Engine.load(run.models / beside)
            theirs = evaluation.read_metrics(run.models / beside)
            metrics["beside"] = {part: theirs[part] for part in ("seeds", "trials") if part in theirs}
        else:
            click.echo(f"{run.models / beside} is missing, so there is no comparison with {run.version}.")
    metrics["audit"] = audit(engine, data, metrics, other, side)
    worst = mistakes.worst(side)
    metrics["mistakes"] = mistakes.record(engine.info, side, worst)
    metrics["people"] = people(data, side)
    metrics["software"] = software()
    write_json(run.model_folder / "metrics.json", metrics)
    draw_all(metrics, run.model_folder)
    shown = read_info(run.model_folder)  # fewer findings may be shown than when the engine was loaded
    (run.model_folder / "MODEL_CARD.md").write_text(model_card(shown, metrics), encoding="utf-8")
    click.echo(f"Written: {run.model_folder}")
    sheet = mistakes.sheet(run, data, engine.info, side, worst)
    click.echo(f"The worst mistakes as pictures, which stay out of the repository: {sheet}")


@main.command()
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to; default csss/demo/scans.")
@click.option("--steps", default=300, show_default=True, help="Steps of the search for each picture.")
@click.option("--seed", default=SEED, show_default=True)
@click.pass_obj
def synthetic(obj: tuple[Run, Path | None, Path | None], out: Path | None, steps: int, seed: int) -> None:
    """Draw the demo's scans, which show no real person."""
    from csss.inference import Engine
    from csss.paths import ROOT
    from training.experiments import synthetic_scans as drawing

    run, data = obj[0], data_folder(obj[1])
    engine = Engine.load(run.model_folder)
    images = run.images()["train"]
    chosen = drawing.choose(data, images, engine, steps=steps, seed=seed)
    for name, drawn in drawing.write_set(out or ROOT / "csss" / "demo" / "scans", chosen):
        click.echo(
            f"{name:<24} read as {drawn.result.label} ({drawn.result.top_label} {drawn.result.confidence:.2f}), "
            f"nearest training picture {drawn.nearest.whole:.2f} (limit {drawn.limit.whole:.2f}), "
            f"detail {drawn.nearest.detail:.2f} (limit {drawn.limit.detail:.2f}), {len(drawn.jpeg) // 1024} kB"
        )


@main.command(name="all")
@click.pass_context
def everything(ctx: click.Context) -> None:
    """Run all steps in order."""
    for step in (split, train, distil, calibrate, export, outliers, evaluate):
        click.echo(f"== {step.name}")
        ctx.invoke(step)


if __name__ == "__main__":
    main(prog_name="python -m training")
