"""The style guide shows everything there is, and only to people who work on it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import Environment, nodes

from csss import create_app, development
from csss.config import BadSetting, Settings
from csss.paths import STATIC, TEMPLATES
from tests.conftest import settings_for


def test_every_component_stands_in_the_style_guide() -> None:
    environment = Environment(extensions=["jinja2.ext.i18n"])
    guide = environment.parse((TEMPLATES / "styleguide/styleguide.html").read_text("utf-8"))
    shown = {call.node.name for call in guide.find_all(nodes.Call) if isinstance(call.node, nodes.Name)}
    for file in sorted((TEMPLATES / "components").glob("*.html")):
        macros = environment.parse(file.read_text("utf-8")).find_all(nodes.Macro)
        missing = {macro.name for macro in macros if not macro.name.startswith("_")} - shown
        assert not missing, f"{file.name}: {missing} are not in templates/styleguide/styleguide.html"


def test_every_icon_of_the_sprite_stands_there_too() -> None:
    guide = (TEMPLATES / "styleguide/styleguide.html").read_text("utf-8")
    sprite = (STATIC / "icons.svg").read_text("utf-8")
    names = {part.split('"', 1)[0] for part in sprite.split('<symbol id="')[1:]}
    assert {name for name in names if f'"{name}"' not in guide} == set()


@pytest.mark.parametrize(("make", "status"), [(development.create_app, 200), (create_app, 404)])
def test_it_is_there_for_development_only(
    tmp_path: Path, migrated_sqlite: Path, make: Callable[[Settings], Flask], status: int
) -> None:
    (tmp_path / "csss.db").write_bytes(migrated_sqlite.read_bytes())
    app = make(settings_for(tmp_path))
    assert app.test_client().get("/styleguide").status_code == status


@pytest.mark.parametrize("reachable", [{"base_url": "https://csss.example"}, {"trusted_proxies": 1}])
def test_development_does_not_start_where_others_can_reach_it(
    tmp_path: Path, reachable: dict[str, object]
) -> None:
    with pytest.raises(BadSetting, match="your own machine"):
        development.create_app(settings_for(tmp_path, **reachable))
