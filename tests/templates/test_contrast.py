"""The colours of tokens.css hold WCAG 2.2 AA in both themes: 4.5 for text, 3 for edges of controls and the focus ring."""

import re

import pytest

from csss.paths import STATIC

TOKENS = (STATIC / "css/tokens.css").read_text("utf-8")


def palette(selector: str) -> dict[str, str]:
    block = TOKENS.split(selector + " {", 1)[1].split("}", 1)[0]
    return dict(re.findall(r"(--[\w-]+):\s*(#[0-9a-f]{3,6});", block))


LIGHT = palette(":root")
DARK = LIGHT | palette(':root[data-theme="dark"]')
SYSTEM_DARK = LIGHT | palette(':root:not([data-theme="light"])')


def high_contrast(theme: dict[str, str], ground: str, ink: str) -> dict[str, str]:
    """What the chosen high contrast makes of a theme; tokens that name others are followed."""
    block = TOKENS.split(':root[data-theme="contrast"] {', 1)[1].split("}", 1)[0]
    named = dict(re.findall(r"(--[\w-]+):\s*var\((--[\w-]+)\);", block))
    plain = theme | palette(':root[data-theme="contrast"]') | {"--ground": ground, "--ink": ink}

    def value(token: str) -> str:
        return value(named[token]) if token in named else plain[token]

    return {token: value(token) for token in plain | named}


HIGH_LIGHT, HIGH_DARK = high_contrast(LIGHT, "#fff", "#000"), high_contrast(DARK, "#000", "#fff")

TEXT = [
    ("ink", "ground surface inset accent-soft info-soft ok-soft warn-soft bad-soft wait-soft"),
    ("ink-2", "ground surface inset"),
    ("accent-ink", "ground surface inset accent-soft"),
    ("info-ink", "info-soft surface ground"),
    ("ok-ink", "ok-soft surface ground"),
    ("warn-ink", "warn-soft surface ground"),
    ("bad-ink", "bad-soft surface ground inset"),
    ("wait-ink", "wait-soft surface ground"),
    ("on-accent", "accent accent-hover"),
    ("on-bad", "bad"),
    ("mast-ink", "mast"),
    ("mast-ink-2", "mast"),
    ("film-ink", "film"),
]
EDGES = [
    ("line-strong", "surface ground inset"),
    ("focus", "surface ground inset bad-soft"),
    ("accent", "surface ground line"),
    ("bad", "surface ground"),
    ("mast-line", "mast"),
]


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2, of `#rgb` or `#rrggbb`."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (EDGES, 3.0)], ids=["text", "edges"])
def test_contrast(theme: dict[str, str], pairs: list[tuple[str, str]], least: float) -> None:
    weak = {
        f"{front} on {back}": round(contrast(theme[f"--{front}"], theme[f"--{back}"]), 2)
        for front, backs in pairs
        for back in backs.split()
        if contrast(theme[f"--{front}"], theme[f"--{back}"]) < least
    }
    assert not weak


@pytest.mark.parametrize("theme", [HIGH_LIGHT, HIGH_DARK], ids=["on white", "on black"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 7.0), (EDGES[:-1], 4.5)], ids=["text", "edges"])
def test_high_contrast_is_enhanced_contrast(
    theme: dict[str, str], pairs: list[tuple[str, str]], least: float
) -> None:
    """WCAG 2.2 AAA (1.4.6) for text; the line beside an accent is the text's own colour there, so it is left out."""
    test_contrast(theme, [(front, backs.replace(" line", "")) for front, backs in pairs], least)


def test_high_contrast_is_the_same_chosen_or_set_by_the_system() -> None:
    chosen = TOKENS.split(':root[data-theme="contrast"] {', 1)[1].split("}", 1)[0]
    system = TOKENS.split("@media (prefers-contrast: more)", 1)[1].split("{", 2)[2].split("}", 1)[0]
    assert chosen.split() == system.split()


def test_the_dark_theme_is_the_same_chosen_or_set_by_the_system() -> None:
    assert DARK == SYSTEM_DARK


def test_every_token_that_is_used_is_defined() -> None:
    defined = set(re.findall(r"(--[\w-]+):", TOKENS))
    for sheet in (STATIC / "css").rglob("*.css"):
        if sheet.name in {"print.css", "study.css"}:  # for paper
            continue
        text = sheet.read_text("utf-8")
        own = set(re.findall(r"(--[\w-]+):", text))
        assert set(re.findall(r"var\((--[\w-]+)", text)) <= defined | own, sheet.name
