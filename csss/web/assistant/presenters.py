"""An answer of the assistant as the page shows it."""

import secrets
from dataclasses import dataclass

from flask import current_app, url_for

from csss.assistant import search
from csss.assistant.search import AnswerKind
from csss.assistant.topics import Topic, read
from csss.hospital.current import hospital
from csss.i18n import _, _n, language
from csss.people.roles import Role

OFTEN_ASKED = 6


@dataclass(frozen=True)
class Exchange:
    """One question and its answer. `id` is unique on the page; `tone`: answer, refusal or unknown."""

    id: str
    question: str
    title: str
    paragraphs: tuple[str, ...]
    tone: str
    links: tuple[tuple[str, str], ...] = ()
    offers: tuple[Topic, ...] = ()  # topics that the page offers as buttons
    urgent: str = ""


def to_question(question: str, role: Role) -> Exchange:
    """The answer to a question in somebody's own words."""
    found = search.answer(question, role, language())
    if found.kind is AnswerKind.ANSWER and found.topic is not None:
        return _answer(question, found.topic)
    if found.kind is AnswerKind.REFUSAL:
        return _refusal(question, role)
    return Exchange(
        id=_new_id(),
        question=question,
        title=_("I don’t know"),
        paragraphs=(
            _("I have no answer to that. Perhaps one of these is what you mean?")
            if found.nearest
            else _("I have no answer to that. Try other words, or look through all questions below."),
        ),
        tone="unknown",
        offers=tuple(found.nearest),
    )


def to_topic(key: str, role: Role) -> Exchange | None:
    """The answer to a topic of the list; None when this role has no such topic."""
    topic = next((topic for topic in search.topics_for(role, language()) if topic.key == key), None)
    return _answer(topic.title, topic) if topic else None


def offers(role: Role) -> list[Topic]:
    """All topics of this role: first its own, then those for everybody."""
    return sorted(search.topics_for(role, language()), key=lambda topic: len(topic.roles))


def _answer(question: str, topic: Topic) -> Exchange:
    settings = current_app.config["CSSS"]
    shown = hospital()
    filled = topic.answer.format(
        upload_mb=settings.upload_mb,
        critical_minutes=settings.critical_minutes,
        otp_minutes=_n("%(num)s minute", "%(num)s minutes", settings.otp_minutes),
        session_minutes=_n("%(num)s minute", "%(num)s minutes", settings.session_minutes),
        session_hours=_n("%(num)s hour", "%(num)s hours", settings.session_hours),
        hospital_name=shown.name,
        hospital_address="".join(f", {line}" for line in shown.address),
        hospital_telephone=_("Telephone: %(number)s.", number=shown.telephone)
        if shown.telephone
        else _("The telephone number is on the hospital’s letters and web site."),
    )
    return Exchange(
        id=_new_id(),
        question=question,
        title=topic.title,
        paragraphs=tuple(filled.split("\n\n")),
        tone="answer",
        links=tuple((url_for(endpoint), words) for endpoint, words in topic.links),
    )


def _refusal(question: str, role: Role) -> Exchange:
    advice = read(language()).advice
    own = role is Role.PATIENT
    return Exchange(
        id=_new_id(),
        question=question,
        title=advice.title if own else advice.staff_title,
        paragraphs=tuple((advice.answer if own else advice.staff_answer).split("\n\n")),
        tone="refusal",
        urgent=advice.emergency if own else "",
    )


def _new_id() -> str:
    return f"exchange-{secrets.token_hex(4)}"
