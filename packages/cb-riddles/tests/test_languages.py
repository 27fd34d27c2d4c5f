"""The pages in Spanish: all of them, from the catalogue that is in the wheel."""

from __future__ import annotations

import gettext
import re
from importlib.resources import files
from typing import Any

import pytest
from cb_riddles import frames, pages, revision
from django.test import Client

PACKAGE = files("cb_riddles")
CATALOGUE = PACKAGE / "locale" / "es" / "LC_MESSAGES"
TEMPLATE = re.compile(r"""\{% translate ["']([^"']+)|\{% blocktranslate[^%]*%\}(.+?)\{% endblocktranslate""")
SOURCE = re.compile(r"""\b_\("([^"]+)"\)""")


def compiled() -> dict[str, str]:
    """What the site uses."""
    with (CATALOGUE / "django.mo").open("rb") as file:
        said: dict[str, str] = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {key: value for key, value in said.items() if key}


def test_the_catalogue_is_compiled() -> None:
    """What is written in the .po file is what the .mo file says."""
    source = (CATALOGUE / "django.po").read_text(encoding="utf-8")
    assert dict(re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', source, re.MULTILINE)) == compiled()


def test_everything_is_translated() -> None:
    """Each text of the templates and the sources that is marked has its Spanish, and no other has."""
    marked = set()
    for path in (PACKAGE / "templates" / "riddles").iterdir():
        for plain, block in TEMPLATE.findall(path.read_text(encoding="utf-8")):
            marked.add(plain or re.sub(r"\{\{ (\w+) \}\}", r"%(\1)s", block))
    for path in PACKAGE.iterdir():
        if path.name.endswith(".py"):
            marked |= set(SOURCE.findall(path.read_text(encoding="utf-8")))
    assert marked == compiled().keys()


def test_a_game_in_spanish(make: Any, key: Any) -> None:
    """List, riddle, wrong, right, progress, the admin's refusal: whoever's browser asks for it gets Spanish."""
    riddle = make()
    client = Client(headers={"accept-language": "es"})
    assert "<h1>Acertijos disponibles</h1>" in client.get("/riddles/").content.decode()
    page = client.get(riddle.get_absolute_url()).content.decode()
    assert '<html lang="es">' in page
    assert "<button>Responder</button>" in page
    for text, says in (("A map", "¡Respuesta incorrecta!"), ("A piano", "¡Bien! ¡Elige otro!")):
        sent = {"option": key(riddle, text)}
        assert says in client.post(f"{riddle.get_absolute_url()}answer/", sent, follow=True).content.decode()
    assert "Resueltos: 1 de 1" in client.get("/riddles/me/").content.decode()


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_kept_page_is_the_same_as_a_made_one(make: Any, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    """What comes from memory is, byte for byte, what the template makes."""
    riddle = make(hint="It has 88.")
    monkeypatch.setattr("django.middleware.csrf.get_random_string", lambda length, allowed_chars: "a" * length)
    monkeypatch.setattr("secrets.token_urlsafe", lambda length: "b" * length)
    monkeypatch.setattr("secrets.token_hex", lambda length=32: "a" * 2 * length)
    paths = ("/riddles/", riddle.get_absolute_url())

    def look() -> list[bytes]:
        return [Client(headers={"accept-language": language}).get(path).content for path in paths]

    first, kept = look(), look()
    revision.forget()
    for module in (frames, pages):
        monkeypatch.setattr(module, "ours", lambda _: False)
    assert first == kept == look()
