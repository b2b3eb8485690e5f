"""The report's fonts: their tables, the words that they cannot print, and Devanagari and Tamil on paper."""

import io
import re
import shutil
import subprocess
from dataclasses import replace

import pikepdf
import pytest
import weasyprint
from fontTools.ttLib import TTFont

from benchmarks.report import example_context, plain_environment
from csss import report_fonts
from csss.paths import STATIC
from csss.report_fonts import CHARACTERS, FACES, by_number, problem, unprintable
from csss.reports.context import Hospital
from csss.reports.document import UnprintableText
from csss.reports.pdf import foreign_fonts, sha256
from csss.reports.render import render_pdf
from tests.pdfa import pdfa_problems

FONTS = STATIC / "fonts"
needs_poppler = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
HINDI = (
    "हृदय का आकार सामान्य है। श्री क्षत्रिय ज्ञान कर्म; दाहिने फेफड़े में निमोनिया, कि की हिन्दी विद्यार्थी क\u200dष क्\u200dष"
)
TAMIL = "வலது நுரையீரல் கீழ்ப்பகுதியில் கொஞ்சம் ஒளிபுகாமை உள்ளது; க்ஷ, ஸ்ரீ, கௌ, கொ, கோ, கி, கீ, கு, கூ, க், கை"
NAME = "லக்ஷ்மி श्रीकृष्ण"


def characters(ranges: str) -> list[str]:
    ends = (part.partition("-") for part in ranges.split())
    return [
        chr(code) for first, _, last in ends for code in range(int(first, 16), int(last or first, 16) + 1)
    ]


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.file)
def test_the_table_of_characters_is_what_the_font_holds(face):
    assert {ord(each) for each in characters(CHARACTERS[face.family])} == set(
        TTFont(FONTS / face.file).getBestCmap()
    )


def test_every_font_file_is_the_one_whose_origin_is_written_down():
    written = dict(
        reversed(line.split())
        for line in re.findall(r"^[0-9a-f]{64}  \S+$", (FONTS / "README.md").read_text(), re.M)
    )
    assert written == {file.name: sha256(file.read_bytes()) for file in FONTS.glob("*.ttf")}
    assert {face.file for face in FACES} == written.keys()
    assert "SIL OPEN FONT LICENSE Version 1.1" in (FONTS / "OFL.txt").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "Right lower lobe pneumonia, 3 µm, CRP ≥ 30 → 12, α, Ł, Ж, ő, e\u0301, 1½, 37 °C, ✓, ♀",
        HINDI,
        TAMIL,
        "a line\r\nand\tanother, no\u00a0break, soft\u00adhyphen, byte order\ufeff, wide\u3000blank",
    ],
)
def test_latin_devanagari_and_tamil_can_be_printed_with_joiners_and_signs(text):
    assert unprintable(text) == []
    assert problem(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("There is 肺炎 in the lung.", ["肺炎"]),
        ("سعال وحمى", ["سعال", "وحمى"]),
        ("improved 😀, better (😀)", ["😀,", "(😀)"]),
        ("பழம் and తెలుగు", ["తెలుగు"]),
        ("an unassigned \u0378 and a private \ue000 letter", ["\u0378", "\ue000"]),
    ],
)
def test_what_the_fonts_lack_is_named_with_the_word_around_it(text, words):
    assert [each.word for each in unprintable(text)] == words
    assert all(word in (problem(text) or "") for word in words)


def test_words_from_right_to_left_do_not_turn_what_stands_between_them():
    apart = "\N{LEFT-TO-RIGHT ISOLATE}“%s”\N{POP DIRECTIONAL ISOLATE}"
    assert f"{apart % 'فاطمة'}, {apart % 'الزهراء'}: its fonts" in problem("فاطمة الزهراء")
    assert "“王芳”: its fonts" in problem("王芳")


def test_a_sentence_without_blanks_is_cut_and_what_cannot_be_seen_is_given_by_number():
    assert max(len(each.word) for each in unprintable("肺" * 5_000)) <= 30
    assert len(problem("肺 炎 胸 部 影 像 " * 5_000) or "") < 300
    assert "[U+E0041]" in (problem("dose\U000e0041") or "")
    assert by_number("肺 and lung") == "[U+80BA] and lung"


@pytest.fixture(scope="module")
def context():
    example = example_context()
    return replace(
        example,
        patient=replace(example.patient, name=NAME),
        review=replace(example.review, findings=f"{TAMIL}\n\n{HINDI}", diagnosis=f"நிமோனியா ({'निमोनिया'})"),
    )


@pytest.fixture(scope="module")
def pdf(context):
    return render_pdf(context, plain_environment())


def text_of(pdf: bytes) -> str:
    done = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True)
    return " ".join(done.stdout.decode().split())


@needs_poppler
def test_a_report_in_devanagari_and_tamil_gives_its_words_back_in_full(pdf):
    text = text_of(pdf)
    for words in (NAME, HINDI, TAMIL, "நிமோனியா (निमोनिया)"):
        assert words in text
    assert text.count(NAME) == 3  # also where the second page and the plain words begin


def test_such_a_report_is_pdf_a_small_and_in_our_fonts(pdf):
    assert pdfa_problems(pdf) == []
    assert len(pdf) <= 300_000
    assert foreign_fonts(pdf) == []
    with pikepdf.open(io.BytesIO(pdf)) as document:
        names = {
            str(each.get("/BaseFont", "")).partition("+")[2] for each in document.objects if is_font(each)
        }
    assert {"Report-Devanagari", "Report-Devanagari-Bold", "Report-Tamil", "Report-Tamil-Bold"} <= names


def is_font(item) -> bool:
    return isinstance(item, pikepdf.Dictionary) and item.get("/Type") == "/Font"


def test_letters_join_as_the_fonts_say_and_none_is_a_box():
    """These conjuncts have a glyph of their own each; taken apart they would need two and more. Glyph 0 is the box."""
    words = "க்ஷ ஸ்ரீ श्री क्ष ज्ञ"
    made = render_pdf(example_context(hospital=Hospital(name=words)), plain_environment())
    with pikepdf.open(io.BytesIO(made)) as document:
        shown = list(glyph_strings(document.pages[0]))
        fonts = {name: str(font.BaseFont) for name, font in document.pages[0].Resources.Font.items()}
    glyphs = [number for font, part in shown for number in numbers(part) if "Report-Sans" not in fonts[font]]
    blanks = 4
    assert len(glyphs) - blanks <= len(words.split()) + 2, (
        "one a word; two where a vowel sign stands beside it"
    )
    assert all(0 not in numbers(part) for _font, part in shown)


def numbers(glyphs: bytes) -> list[int]:
    return [int.from_bytes(glyphs[at : at + 2]) for at in range(0, len(glyphs), 2)]


def glyph_strings(page):
    """Every string of glyphs that a page shows, with the name of its font."""
    font = None
    for operands, operator in pikepdf.parse_content_stream(page):
        if str(operator) == "Tf":
            font = str(operands[0])
        elif str(operator) == "Tj":
            yield font, bytes(operands[0])
        elif str(operator) == "TJ":
            yield from ((font, bytes(each)) for each in operands[0] if isinstance(each, pikepdf.String))


def test_all_that_passes_the_check_is_printed_in_our_fonts_without_a_box(context):
    """Every single character, each behind a letter, in regular and in bold."""
    passed = characters(" ".join([*CHARACTERS.values(), report_fonts._NO_GLYPH]))
    text = " ".join(f"a{each}" for each in passed if not "\ud800" <= each <= "\udfff")
    assert problem(text) is None
    review = replace(context.review, findings=text, diagnosis=text)
    made = render_pdf(replace(context, review=review), plain_environment())
    assert foreign_fonts(made) == []
    assert pdfa_problems(made) == []


@pytest.mark.parametrize("word", ["肺炎", "سعال", "😀", "తెలుగు", "\U00012000"])
def test_a_report_with_a_letter_that_the_fonts_lack_is_not_made_and_the_word_is_named(context, word, caplog):
    review = replace(context.review, findings=f"There is {word} here.")
    with pytest.raises(UnprintableText, match=re.escape(word)):
        render_pdf(replace(context, review=review), plain_environment())
    assert word not in caplog.text


def test_a_letter_that_another_font_of_the_machine_has_does_not_pass_either(context):
    """The table is not believed blindly: what is in the finished file counts."""
    review = replace(context.review, findings="Ⴀ Ա א")  # in fonts that most machines have
    with pytest.raises(UnprintableText):
        render_pdf(replace(context, review=review), plain_environment())
    assert foreign_fonts(weasyprint.HTML(string="<p>x").write_pdf()) != []
