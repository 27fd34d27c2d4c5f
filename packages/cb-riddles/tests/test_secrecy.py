"""Nothing that a visitor can get before the answer depends on which option is correct.

A riddle is shown, then its correct flag is moved to another option, and everything is asked for again with the same
cookies: every byte and every header must be the same. The last test leaks one bit and has the first one find it.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest
from cb_riddles import frames, pages, playing, revision
from cb_riddles import urls as app_urls
from cb_riddles.models import Attempt, Option, Riddle
from django.core.signing import TimestampSigner
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.fixture(autouse=True)
def same_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens and clocks stand still, so that nothing else can differ."""
    stamp = TimestampSigner().timestamp()
    monkeypatch.setattr("django.core.signing.TimestampSigner.timestamp", lambda self: stamp)
    monkeypatch.setattr("django.utils.cache.http_date", lambda seconds: "now")
    monkeypatch.setattr("django.middleware.csrf.get_random_string", lambda length, allowed_chars: "a" * length)
    monkeypatch.setattr("secrets.token_urlsafe", lambda length: "b" * length)
    monkeypatch.setattr("secrets.token_hex", lambda length=32: "a" * 2 * length)


def everything(riddle: Riddle) -> list[tuple[str, int, list[tuple[str, str]], bytes, int]]:
    """All that can be had without an answer: each address by each method, with wrong input, as page and as JSON.

    Each is asked for twice: as it is rendered, and as it is kept. How many queries it took is part of what is had, for
    a visitor can measure time.
    """
    found = []
    for pattern, method in itertools.product(app_urls.urlpatterns, ("get", "head", "options", "post", "put")):
        assert not isinstance(pattern, URLResolver)
        path = "/riddles/" + str(pattern.pattern).replace("<int:riddle_id>", str(riddle.pk))
        for query in ("", "?q=piano", "?before=1-1") if method == "get" else ("",):
            sent = {"json": {"data": b'{"options": []}', "content_type": "application/json"}, "none": {}}
            for more, kept in itertools.product(sent.values() if method == "post" else ({},), ("", "kept ")):
                client = Client()
                with CaptureQueriesContext(connection) as queries:
                    response = getattr(client, method)(path + query, **more)
                said = client.cookies.output().partition("expires")[0].encode()
                what = f"{kept}{method} {path}{query}"
                headers = sorted(response.items())
                found.append((what, response.status_code, headers, response.content + said, len(queries)))
    return found


def differences(riddle: Riddle) -> list[str]:
    """The addresses whose answer changes when another option is the correct one."""
    options = list(riddle.option_set.order_by("id"))
    seen = []
    for right in options:
        Option.objects.filter(riddle=riddle).update(correct=False)
        Option.objects.filter(pk=right.pk).update(correct=True)
        revision.forget()
        seen.append(everything(riddle))
    return [one[0] for one, *others in zip(*seen, strict=True) if any(one != other for other in others)]


def test_twins_are_equal_in_every_byte(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No page, header, cookie, JSON, error or number of queries tells which option is correct, kept or not."""
    riddle = make(hint="It has 88.", explanation="A piano has keys.")
    make("Another?")
    rendered: list[str] = []

    def rendering(name: str, *more: Any) -> str:
        rendered.append(name)
        return render_to_string(name, *more)

    for module in (frames, pages):
        monkeypatch.setattr(module, "render_to_string", rendering)
    assert differences(riddle) == []
    # The list once for each of the three twins, the riddle's frame once for all: else they came from memory.
    assert sorted(rendered) == ["riddles/detail.html", *["riddles/index.html"] * 3]


def _first(player: str, ids: Iterable[int]) -> list[int]:
    return list(Option.objects.filter(pk__in=list(ids)).order_by("-correct", "id").values_list("pk", flat=True))


def _dotted(self: playing.Open) -> list[playing.Shown]:
    return [playing.Shown(str(choice.id), choice.text + "." * choice.correct) for choice in self.choices]


@pytest.mark.parametrize(("where", "name", "leak"), [(playing, "order", _first), (playing.Open, "all_shown", _dotted)])
def test_a_leak_is_found(make: Any, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, leak: Any) -> None:
    """The test above can fail: one flag that moves an option, or adds a dot, is found on each page and in the API."""
    riddle = make()
    monkeypatch.setattr(where, name, leak)
    found = differences(riddle)
    for path in (f"/riddles/{riddle.pk}/", f"/riddles/api/riddles/{riddle.pk}/"):
        assert f"get {path}" in found
        assert f"kept get {path}" in found


def test_right_and_wrong_take_the_same_way(client: Client, make: Any, key: Any) -> None:
    """A right answer and a wrong one ask the same of the database: the time of an answer tells nothing early."""
    riddle = make()
    asked = []
    for text in ("A river", "A map", "A piano"):
        with CaptureQueriesContext(connection) as queries:
            client.post(f"/riddles/{riddle.pk}/answer/", {"option": key(riddle, text)})
        own = [query["sql"] for query in queries if "riddles_" in query["sql"]]
        asked.append([re.sub(r"'[^']*'|\b(\d+|true|false)\b", "?", sql) for sql in own])
    assert asked[1] == asked[2]


def test_ids_are_not_in_the_page(client: Client, make: Any) -> None:
    """Options go by names that say nothing of the order in which they were written."""
    riddle = make()
    page = client.get(riddle.get_absolute_url()).content.decode()
    for option in riddle.option_set.all():
        assert f'value="{option.pk}"' not in page


def test_the_explanation_comes_after_the_right_answer(client: Client, make: Any, key: Any) -> None:
    """Neither the riddle's page nor a wrong answer has it; the right one has."""
    riddle = make(explanation="It has 88 keys.")
    path = f"/riddles/{riddle.pk}/answer/"
    assert "88 keys" not in client.get(riddle.get_absolute_url()).content.decode()
    assert "88 keys" not in client.post(path, {"option": key(riddle, "A map")}, follow=True).content.decode()
    assert "88 keys" in client.post(path, {"option": key(riddle, "A piano")}, follow=True).content.decode()


def test_wrong_answers_are_alike(client: Client, make: Any, key: Any) -> None:
    """A wrong answer's page does not tell the other wrong one from the right one."""
    riddle = make()
    path = f"/riddles/{riddle.pk}/answer/"
    pages = []
    for wrong in ("A map", "A river"):
        value = key(riddle, wrong)
        page = client.post(path, {"option": value}, follow=True).content.decode()
        pages.append(page.replace(f'value="{value}" checked', f'value="{value}"'))
    assert pages[0] == pages[1]
    assert Attempt.objects.filter(correct=False).count() == 2
