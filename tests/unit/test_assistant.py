"""How well the assistant finds what is asked, and that it never advises on a case."""

import pytest

from csss.assistant.search import Answer, AnswerKind, answer, topics_for
from csss.assistant.topics import read
from csss.people.roles import Role
from tests.tables import for_each
from tests.unit.assistant_questions import ASKED, HELD_BACK, REFUSED, UNKNOWN

TEXTS = read("en")


def ask(question: str, role: str) -> Answer:
    return answer(question, Role(role))


def missed(questions: list[tuple[str, str, str]]) -> tuple[list[str], list[str]]:
    """Questions without the right answer at once, and those of them with a wrong one."""
    others, wrong = [], []
    for question, role, key in questions:
        found = ask(question, role)
        if found.topic is None or found.topic.key != key:
            others.append(question)
            if found.kind is AnswerKind.ANSWER:
                wrong.append(question)
    return others, wrong


def test_questions_with_typing_errors_find_their_answer() -> None:
    others, wrong = missed(ASKED)
    assert len(ASKED) >= 60
    assert len(others) <= len(ASKED) * 0.05, others
    assert len(wrong) <= len(ASKED) * 0.02, wrong


def test_so_do_questions_that_nothing_was_tuned_with() -> None:
    others, wrong = missed(HELD_BACK)
    assert len(others) <= len(HELD_BACK) * 0.25, others
    assert len(wrong) <= len(HELD_BACK) * 0.05, wrong


@pytest.mark.parametrize("role", list(Role))
@for_each("question", REFUSED)
def test_advice_on_a_case_is_never_given(question: str, role: Role) -> None:
    assert answer(question, role).kind is AnswerKind.REFUSAL


@for_each("question", UNKNOWN)
def test_what_nobody_has_written_about_is_not_known(question: str) -> None:
    assert answer(question, Role.PATIENT).kind is AnswerKind.UNKNOWN


def test_near_a_topic_it_names_the_nearest() -> None:
    found = ask("red reading lamp on the scan file", "patient")
    assert found.kind is AnswerKind.UNKNOWN and 1 <= len(found.nearest) <= 3


def test_every_topic_answers_each_of_its_own_questions_or_one_like_it() -> None:
    """Else two topics say the same, or the refusals swallow one."""
    lost = []
    for role in Role:
        for topic in topics_for(role):
            for way in topic.ways:
                found = answer(way, role)
                if found.kind is not AnswerKind.ANSWER:
                    lost.append((role.value, topic.key, way, found.kind.value))
    assert len({entry[2] for entry in lost}) <= 6, lost


def test_there_are_enough_topics_and_each_is_for_somebody() -> None:
    assert len(TEXTS.topics) >= 40
    for topic in TEXTS.topics:
        assert topic.roles and topic.answer and len(topic.questions) >= 3, topic.key


def test_staff_topics_are_not_for_patients() -> None:
    keys = {topic.key for topic in topics_for(Role.PATIENT)}
    assert not keys & {
        "approve",
        "audit",
        "verify",
        "warnings",
        "hold",
        "accounts",
        "close-scan",
        "analysis-failed",
        "erase-patient",
    }
    assert ask("how do i approve a report", "patient").topic is None or "approve" not in keys


@pytest.mark.parametrize("question", ["", " ", "ا ب ت", "x" * 500, "<script>alert(1)</script>", "\u202e?"])
def test_any_text_gets_some_answer(question: str) -> None:
    assert ask(question, "patient").kind in AnswerKind
