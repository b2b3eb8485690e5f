"""Convert the Markdown of a model card to HTML: no raw HTML, no external pictures, each table scrolls on its own."""

from collections.abc import Callable, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape


class _Renderer(RendererHTML):
    """Tables in a region of their own, named after the heading above; pictures only where `picture` has an address."""

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        env["tables"] = env.get("tables", 0) + 1
        label = escape(env["table_label"].format(heading=_heading_before(tokens, idx), number=env["tables"]))
        return (
            f'<div class="card-table" role="region" tabindex="0" aria-label="{label}">'
            f"{self.renderToken(tokens, idx, options, env)}"
        )

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"{self.renderToken(tokens, idx, options, env)}</div>"

    def th_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        tokens[idx].attrSet("scope", "col")
        return self.renderToken(tokens, idx, options, env)

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        words = escape(tokens[idx].content)
        address = env["picture"](str(tokens[idx].attrs.get("src", "")))
        if address is None:
            return str(words)
        # The text is below the picture, so the picture has no alternative text; it would be read twice.
        return (
            f'<span class="card-plot"><img src="{escape(address)}" alt="" loading="lazy">'
            f'<span class="card-plot__words">{words}</span></span>'
        )

    def softbreak(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "\n"


def _heading_before(tokens: Sequence[Token], idx: int) -> str:
    for place in range(idx, -1, -1):
        if tokens[place].type == "heading_open":
            return tokens[place + 1].content
    return ""


def _without_title(tokens: list[Token]) -> list[Token]:
    """Remove the first-level heading of the text: the page has one of its own."""
    if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        return tokens[3:]
    return tokens


def render(text: str, picture: Callable[[str], str | None], table_label: str) -> Markup:
    """CommonMark with tables as HTML. Raw HTML becomes text, and so do links with `javascript:` and the like.

    `picture` gives the address for a picture's name, or None to show only its text. `table_label` names the region of a
    table; `{heading}` and `{number}` in it are filled in.
    """
    parser = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")
    env: dict[str, Any] = {"picture": picture, "table_label": table_label}
    tokens = _without_title(parser.parse(text, env))
    return Markup(parser.renderer.render(tokens, parser.options, env))  # noqa: S704 - html is off above  # nosec B704
