"""The model card of a version that was fitted to this hospital, in Markdown."""

from typing import Any, Final

from csss.inference.labels import ModelInfo
from csss.recalibration.readings import NAMING, Says

_WORDS: Final = {
    "right": "right answers, of all readings",
    "calibration_error": "calibration error",
    "log_loss": "log loss",
    "accepted": "accepted, of all readings",
    "right_accepted": "right answers, of the accepted",
}
_VERDICTS: Final = {
    "better": "On them the new probabilities fit better: the log loss is lower, and its interval lies below nought.",
    "worse": "**On them the new probabilities fit worse: the log loss is higher. Do not put this version in use.**",
    "not shown to be better": "**On them it is not shown that the new probabilities fit better: the interval of the "
    "difference holds nought.** More readings may tell.",
}


def card_of(info: ModelInfo, labels: dict[str, Any], found: dict[str, Any]) -> str:
    """The card of the version `labels`, fitted to readings of `info`; `found` is the part "hospital" of its metrics."""
    base = labels["base"]
    return f"""# Model card: {labels["version"]}

Made by `csss recalibrate` on {labels["created"]}. **Not for clinical use without prospective validation.**

This is {base["version"]} with other temperature, class biases and threshold, fitted to readings that doctors of this
hospital have verified. The network is the same, and so are its answers' limits: read the card of {base["version"]} first.

## What was changed

| | {info.version} | {labels["version"]} |
| --- | --- | --- |
| temperature | {info.temperature:.3f} | {labels["temperature"]:.3f} |
{_bias_rows(info, labels)}
| threshold | {found["before"]["threshold"]:.2f} | {found["after"]["threshold"]:.2f} |

A probability p of the network becomes the softmax of log p / temperature + bias. The threshold is the lowest at which
{found["target"]:.1%} of the accepted answers were right among the readings that it was fitted to.

Base: {base["version"]}, SHA-256 of its labels.json `{base["labels_sha256"]}`, of the network
`{labels["model"]["sha256"]}`.

## The readings

{sum(found["readings"].values())} scans that {info.version} has read and doctors have verified:

| what the reading says of the class | readings | how it counts |
| --- | --- | --- |
{_reading_rows(found["readings"])}

Classes named: {", ".join(f"{name} {number}" for name, number in found["by_class"].items())}. A class with few readings has
an uncertain bias; it is drawn towards nought.

Of the patients, {found["fitting"]["patients"]} served for fitting ({found["fitting"]["used"]} readings) and
{found["held_back"]["patients"]} were held back ({found["held_back"]["used"]} readings that say something of the class).

## Figures on the readings that were held back

{_VERDICTS[found["verdict"]]}

| | before | after |
| --- | --- | --- |
{_figure_rows(found)}

In brackets: 95 % intervals from {found["draws"]} bootstrap draws of whole patients. Calibration error: {found["bins"]} bins
of equal mass. So few readings show a calibration error even of a classifier whose probabilities are exactly right: here
{found["before"]["calibration_error_by_chance"]:.1%} before and {found["after"]["calibration_error_by_chance"]:.1%} after, by
chance alone.

## Limits

- The doctors had seen the answer when they read the scan. Who has seen it agrees more often: the figures are too good rather
  than too bad.
- A disagreement that names no class counts as wrong before and after, also where the new version would answer otherwise.
- Uncertain answers count only where a class was named. Those may be the easier ones: with many unnamed, the figures are too
  good. `csss recalibrate --unnamed` lists them for a doctor to name.
- What held at this hospital until {labels["created"]} need not hold after a change of scanner, processing or patients.
"""


def _bias_rows(info: ModelInfo, labels: dict[str, Any]) -> str:
    return "\n".join(
        f"| bias of {name} | {before:+.2f} | {labels['bias'][name]:+.2f} |"
        for name, before in zip(info.names, info.bias, strict=True)
    )


def _reading_rows(readings: dict[str, int]) -> str:
    def counted(says: Says) -> str:
        if says in NAMING:
            return "as this class"
        return "as any class of its kind but this one" if says is Says.NOT_THIS else "not at all"

    return "\n".join(f"| {says.value} | {readings[says.name.lower()]} | {counted(says)} |" for says in Says)


def _figure_rows(found: dict[str, Any]) -> str:
    def words(side: str, name: str) -> str:
        value, (low, high) = found[side][name]["value"], found[side][name]["interval"]
        if name == "log_loss":
            return f"{value:.3f} ({low:.3f} to {high:.3f})"
        return f"{value:.1%} ({low:.1%} to {high:.1%})"

    return "\n".join(
        f"| {_WORDS[name]} | {words('before', name)} | {words('after', name)} |" for name in _WORDS
    )
