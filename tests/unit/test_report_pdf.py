"""The kept file is PDF/A and loads nothing; the mailed copy opens only with the pass phrase."""

import io
import shutil
import subprocess
from contextlib import suppress

import pikepdf
import pytest
import weasyprint
from jinja2 import Environment
from PIL import ImageFile
from weasyprint.urls import FatalURLFetchingError

from benchmarks.report import example_context, plain_environment
from csss.reports.document import report_html
from csss.reports.pdf import encrypt_pdf, sha256
from csss.reports.render import HandedOverFiles, render_pdf
from tests.pdfa import pdfa_problems


@pytest.fixture(scope="module")
def pdf():
    return render_pdf(example_context(), plain_environment())


def test_the_kept_report_is_pdf_a_with_title_language_author_and_tags(pdf):
    assert pdfa_problems(pdf) == []
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert str(document.Root.Lang) == "en-GB"
        assert document.Root.MarkInfo.Marked
        assert "/StructTreeRoot" in document.Root
        meta = document.open_metadata()
        assert meta.pdfa_status == "3U"
        assert "Chest X-ray report" in meta["dc:title"]
        assert meta["dc:creator"] == ["Example General Hospital"]


def structure(element, parents=()):
    """Every tagged element of a PDF with the names of what it stands in."""
    if isinstance(element, pikepdf.Array):
        for each in element:
            yield from structure(each, parents)
    elif isinstance(element, pikepdf.Dictionary) and "/S" in element:
        yield element, parents
        yield from structure(element.get("/K", pikepdf.Array()), (*parents, str(element.S)))


def test_a_screen_reader_finds_headings_tables_with_heads_and_words_for_pictures(pdf):
    with pikepdf.open(io.BytesIO(pdf)) as document:
        found = list(structure(document.Root.StructTreeRoot.K))
        names = [str(element.S) for element, _ in found]
        # Conclusion with the impression, findings, prescription, signatures, plain words with three parts, classifier,
        # pictures.
        heads = "123222233322"
        assert "".join(name[2] for name in names if name in {"/H1", "/H2", "/H3"}) == heads
        figures = [element for element, _ in found if element.S == "/Figure"]
        assert len(figures) == 8 and all(str(figure.get("/Alt", "")) for figure in figures)
        # Tables are what is read as one: each cell of one knows its heads, and none stands in another.
        cells = [element for element, _ in found if element.S == "/TD"]
        assert cells and all(len(cell.A.Headers) >= 1 for cell in cells)
        assert not [parents for element, parents in found if element.S == "/Table" and "/Table" in parents]
        assert names.count("/THead") == 2


def test_only_the_fonts_of_the_project_are_used(pdf):
    with pikepdf.open(io.BytesIO(pdf)) as document:
        names = {
            str(item.BaseFont).split("+")[-1]
            for item in document.objects
            if isinstance(item, pikepdf.Dictionary) and item.get("/Type") == "/Font"
        }
    assert names == {"Report-Sans", "Report-Sans-Bold"}


def test_the_pdf_a_check_notices_what_is_missing():
    plain = weasyprint.HTML(string="<p>x").write_pdf()
    problems = " ".join(pdfa_problems(plain))
    for complaint in ("instead of 3U", "no title", "no language", "output intent", "identifier"):
        assert complaint in problems
    bare = pikepdf.new()
    bare.add_blank_page()
    font = pikepdf.Dictionary(
        Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
    )
    bare.pages[0].Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=bare.make_indirect(font)))
    bare.Root.OpenAction = bare.make_indirect(
        pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
    )
    out = io.BytesIO()
    bare.save(out)
    problems = " ".join(pdfa_problems(out.getvalue()))
    for complaint in ("Helvetica is not embedded", "holds JavaScript", "action runs"):
        assert complaint in problems


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "http://127.0.0.1/",
        "https://example.org/x.png",
        "data:image/png;base64,AAAA",
        "ftp://127.0.0.1/x",
        "csss-report:other",
        "csss-report:scan/../other",
        "CSSS-REPORT:scan",
    ],
)
def test_the_fetcher_hands_out_what_it_was_given_and_nothing_else(address):
    fetcher = HandedOverFiles({"csss-report:scan": ("image/jpeg", b"the scan")})
    assert fetcher("csss-report:scan").read() == b"the scan"
    with pytest.raises(ValueError, match="may not load"):
        fetcher(address)
    page = weasyprint.HTML(string=f'<img src="{address}">', url_fetcher=fetcher)
    with pytest.raises(FatalURLFetchingError):
        page.write_pdf()


SECRET = "What only this machine should know"


@pytest.mark.parametrize(
    "html",
    [
        '<link rel="stylesheet" href="{}">',
        '<style>@import url("{}");</style>',
        '<style>@font-face {{ font-family: x; src: url("{}") }} p {{ font-family: x }}</style><p>a</p>',
        '<p style="background-image: url({})">a</p>',
        '<ul style="list-style-image: url({})"><li>a</li></ul>',
        '<p style="content: url({})">a</p>',
        '<img srcset="{} 2x" src="{}">',
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="{}" width="9" height="9"/></svg>',
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><use href="{}#a"/></svg>',
        '<object data="{}"></object>',
        '<embed src="{}">',
        '<iframe src="{}"></iframe>',
        '<link rel="attachment" href="{}">',
        '<a rel="attachment" href="{}">a</a>',
        '<base href="{}"><img src="a.png">',
    ],
)
def test_nothing_in_a_document_leads_outside(html, tmp_path, monkeypatch):
    """Not even a file that is there: what is asked for stops the report, and nothing of it is in the PDF."""
    (tmp_path / "secret").write_text(SECRET)
    given = []
    monkeypatch.setattr(HandedOverFiles, "fetch", _watched(HandedOverFiles.fetch, given))
    for address in (
        (tmp_path / "secret").as_uri(),
        "http://127.0.0.1:9/secret",
        "secret",
        "//127.0.0.1:9/secret",
    ):
        page = weasyprint.HTML(
            string=html.replace("{{", "{").replace("}}", "}").replace("{}", address),
            base_url=f"{tmp_path.as_uri()}/",
            url_fetcher=HandedOverFiles({}),
        )
        with suppress(FatalURLFetchingError):
            made = page.write_pdf(uncompressed_pdf=True)
            assert SECRET.encode() not in made and b"/EmbeddedFile" not in made
    assert given == []


def _watched(fetch, given):
    def watched(self, url, headers=None):
        response = fetch(self, url, headers)
        given.append(url)
        return response

    return watched


def test_the_report_refuses_an_environment_that_does_not_escape():
    with pytest.raises(ValueError, match="escapes"):
        report_html(example_context(), Environment(autoescape=False))


def test_truncated_pictures_stay_an_error_for_the_rest_of_the_process():
    # Importing WeasyPrint switches this on for the whole process; uploads rely on it being off.
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize("phrase", ["correct horse", "Passwort für Ärzte", "கடவுச்சொல்"])
def test_the_mailed_copy_opens_only_with_the_pass_phrase(pdf, phrase):
    locked = encrypt_pdf(pdf, phrase)
    for wrong in ("", "wrong"):
        with pytest.raises(pikepdf.PasswordError):
            pikepdf.open(io.BytesIO(locked), password=wrong)
    with pikepdf.open(io.BytesIO(locked), password=phrase) as document:
        assert document.user_password_matched
        assert not document.owner_password_matched
        assert document.encryption.R == 6
        assert document.encryption.bits == 256
        assert str(document.encryption.stream_method).endswith("aesv3")
        assert document.allow.print_highres
        assert not document.allow.modify_other
        assert not document.open_metadata().pdfa_status
        assert len(document.pages) == 2
    assert pdfa_problems(locked) == ["The file is encrypted."]


def test_the_mailed_copy_shows_nothing_without_the_pass_phrase(pdf):
    locked = encrypt_pdf(pdf, "correct horse")
    assert b"Example General Hospital" not in locked
    assert b"CSSS-2026-004217" not in locked


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_another_reader_opens_the_mailed_copy_too(pdf, tmp_path):
    file = tmp_path / "report.pdf"
    file.write_bytes(encrypt_pdf(pdf, "Passwort für Ärzte"))
    refused = subprocess.run(["pdftotext", file, "-"], capture_output=True, check=False)
    assert refused.returncode != 0
    opened = subprocess.run(
        ["pdftotext", "-upw", "Passwort für Ärzte", file, "-"], capture_output=True, check=False
    )
    assert b"Right lower lobe pneumonia" in opened.stdout


@pytest.mark.parametrize("phrase", ["", "   ", "x" * 128, "ä" * 64])
def test_a_pass_phrase_that_a_reader_would_cut_off_or_skip_is_refused(pdf, phrase):
    with pytest.raises(ValueError, match="pass phrase"):
        encrypt_pdf(pdf, phrase)


def test_the_fingerprint_is_the_sha_256_of_the_file():
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
