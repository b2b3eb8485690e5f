"""Routes: a question and its answer. Neither is stored or logged; the conversation exists only in the page."""

from typing import Any

from flask import Response, make_response, render_template, request
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from csss.i18n import _l
from csss.people.permissions import Permission
from csss.web.assistant import presenters
from csss.web.assistant.blueprint import assistant
from csss.web.forms import TextForm, one_line
from csss.web.fragments import form_error, is_htmx, page_or_fragment
from csss.web.guard import me, requires
from csss.web.unsent import comes_back_on, typed_before

MAX_QUESTION = 500


class QuestionForm(TextForm):
    """A question, or the key of a topic that was pressed."""

    question = StringField(
        _l("Your question"),
        filters=[one_line],
        validators=[
            InputRequired(_l("Write your question.")),
            Length(
                max=MAX_QUESTION, message=_l("At most 500 characters can be taken. Ask it in fewer words.")
            ),
        ],
    )


@assistant.get("/assistant")
@requires(Permission.ASSISTANT_ASK)
def page() -> Response:
    """Show the form and all topics."""
    form = QuestionForm(formdata=typed_before("assistant.ask"))
    return page_or_fragment("assistant/page.html", "assistant/_assistant.html", **_page(form))


@assistant.post("/assistant")
@requires(Permission.ASSISTANT_ASK)
@comes_back_on("assistant.page")
def ask() -> Response:
    """Answer: below the earlier answers in the page, or (without JavaScript) on a page of its own."""
    form = QuestionForm()
    exchange = presenters.to_topic(request.form.get("topic", ""), me().role)
    if exchange is None:
        if not form.validate():
            return form_error("assistant/page.html", "assistant/_question.html", **_page(form))
        exchange = presenters.to_question(form.question.data or "", me().role)
    fresh = QuestionForm(formdata=None)
    if not is_htmx():
        return page_or_fragment(
            "assistant/page.html", "assistant/_assistant.html", **_page(fresh, (exchange,))
        )
    answer = make_response(render_template("assistant/_answer.html", exchange=exchange, form=fresh))
    answer.vary.add("HX-Request")
    return answer


def _page(form: QuestionForm, exchanges: tuple[presenters.Exchange, ...] = ()) -> dict[str, Any]:
    offers = presenters.offers(me().role)
    return {
        "form": form,
        "exchanges": exchanges,
        "often": offers[: presenters.OFTEN_ASKED],
        "offers": offers,
    }
