"""The help page: questions in, reviewed answers out, nothing kept."""

import re

import pytest
from werkzeug.test import TestResponse

from csss.assistant.topics import read
from tests.factories import Clinic
from tests.integration.world import changed_tables, snapshot
from tests.visitor import Visitor, soup, words

ROLES = ("patient", "doctor", "pharmacist", "admin")


def ask(visitor: Visitor, question: str, *, htmx: bool = False, **more: str) -> TestResponse:
    return visitor.post("/assistant", {"question": question, **more}, htmx=htmx)


@pytest.mark.parametrize("role", ROLES)
def test_everybody_finds_help_in_the_navigation_and_can_ask(clinic: Clinic, role: str) -> None:
    visitor = clinic.visitor(clinic.person(role))
    assert visitor.page("/account").select_one(".main-nav a[href='/assistant']") is not None
    answer = ask(visitor, "what is the mrn")
    assert answer.status_code == 200
    assert "medical record number" in words(answer)


def test_the_answer_comes_alone_for_htmx_with_an_empty_field(patient: Visitor) -> None:
    answer = ask(patient, "wich file formts do you take?", htmx=True)
    page = soup(answer)
    assert page.html is None and "HX-Request" in answer.headers["Vary"]
    article, partial = page.find_all(recursive=False)
    assert article.name == "article" and "JPEG and PNG pictures" in article.get_text()
    assert "wich file formts do you take?" in article.get_text()
    assert partial["hx-target"] == "#question-form"
    assert not partial.select_one("#question").get("value")


def test_the_limits_of_this_hospital_stand_in_the_answer(patient: Visitor) -> None:
    assert "At most 10 MB" in words(ask(patient, "what is the maximum file size"))
    assert "Hospital of the Tests" in words(ask(patient, "whom do I call for help?"))


def test_no_answer_has_a_gap(clinic: Clinic) -> None:
    for role in ROLES:
        visitor = clinic.visitor(clinic.person(role))
        page = visitor.page("/assistant")
        leads: dict[str, str] = {}
        for key in {str(button["value"]) for button in page.select("button[name=topic]")}:
            answer = ask(visitor, "", topic=key, htmx=True)
            assert answer.status_code == 200, key
            found = soup(answer)
            text = found.select_one(".exchange__answer").get_text()  # type: ignore[union-attr]
            assert not re.search(r"[{}]", text), key
            leads |= {str(link["href"]): key for link in found.select(".exchange__links a")}
        for address, key in leads.items():
            assert visitor.get(address).status_code == 200, f"{role}: {key} leads to {address}"


@pytest.mark.parametrize("question", ["do I hav covid?", "which dose should i take", "i have chest pain"])
def test_a_patient_who_asks_about_the_own_case_is_sent_to_people(patient: Visitor, question: str) -> None:
    text = words(ask(patient, question))
    assert "please ask your doctor" in text
    assert "call the emergency services" in text


def test_a_doctor_gets_no_advice_either(doctor: Visitor) -> None:
    assert "I cannot advise on a patient" in words(ask(doctor, "what dose of amoxicillin for this patient"))


def test_what_is_not_known_is_said_with_what_comes_near(patient: Visitor) -> None:
    page = soup(ask(patient, "red reading lamp on the scan file"))
    assert "I don’t know" in page.get_text()
    assert page.select(".exchange button[name=topic]")
    assert "I don’t know" in words(ask(patient, "who won the cricket match"))


@pytest.mark.parametrize(
    ("question", "sentence"), [("", "Write your question."), ("a" * 501, "At most 500 characters")]
)
def test_no_question_and_too_long_a_one(patient: Visitor, question: str, sentence: str) -> None:
    for htmx in (False, True):
        answer = ask(patient, question, htmx=htmx)
        assert answer.status_code == 422
        page = soup(answer)
        assert sentence in page.select_one("#question-error").get_text()  # type: ignore[union-attr]
        assert page.select_one("#question")["value"] == question  # type: ignore[index]


def test_what_was_asked_is_escaped_and_a_topic_of_others_is_no_topic(patient: Visitor) -> None:
    assert "&lt;b&gt;cricket" in ask(patient, "<b>cricket").get_data(as_text=True)
    assert ask(patient, "", topic="audit").status_code == 422
    assert "audit" in {topic.key for topic in read("en").topics}


def test_nothing_of_a_conversation_is_kept(patient: Visitor) -> None:
    patient.get("/assistant")
    before = snapshot()
    ask(patient, "is my data private")
    ask(patient, "do i have covid")
    assert changed_tables(before, snapshot()) == set()
