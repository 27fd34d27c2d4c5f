"""Nothing that a visitor can get before the answer depends on which option is correct.

A riddle is shown, then its correct flag is moved to another option, and everything is asked for again with the same
cookies: every byte and every header must be the same. The last test leaks one bit and has the first one find it.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from cb_riddles import playing
from cb_riddles import urls as app_urls
from cb_riddles.models import Attempt, Option, Riddle
from django.core.signing import TimestampSigner
from django.test import Client
from django.urls import URLResolver


@pytest.fixture(autouse=True)
def same_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens and clocks stand still, so that nothing else can differ."""
    stamp = TimestampSigner().timestamp()
    monkeypatch.setattr("django.core.signing.TimestampSigner.timestamp", lambda self: stamp)
    monkeypatch.setattr("django.utils.cache.http_date", lambda seconds: "now")
    monkeypatch.setattr("django.middleware.csrf.get_random_string", lambda length, allowed_chars: "a" * length)
    monkeypatch.setattr("secrets.token_urlsafe", lambda length: "b" * length)


def everything(riddle: Riddle) -> list[tuple[str, int, list[tuple[str, str]], bytes]]:
    """All that can be had without an answer: each address by each method, with wrong input, as page and as JSON."""
    found = []
    for pattern, method in itertools.product(app_urls.urlpatterns, ("get", "head", "options", "post", "put")):
        assert not isinstance(pattern, URLResolver)
        path = "/riddles/" + str(pattern.pattern).replace("<int:riddle_id>", str(riddle.pk))
        for query in ("", "?q=piano", "?before=1-1") if method == "get" else ("",):
            client = Client()
            sent = {"json": {"data": b'{"options": []}', "content_type": "application/json"}, "none": {}}
            for more in sent.values() if method == "post" else ({},):
                response = getattr(client, method)(path + query, **more)
                said = client.cookies.output()
                found.append(
                    (f"{method} {path}{query}", response.status_code, sorted(response.items()), response.content)
                )
                found.append((f"cookies of {method} {path}{query}", 0, [], said.partition("expires")[0].encode()))
    return found


def differences(riddle: Riddle) -> list[str]:
    """The addresses whose answer changes when another option is the correct one."""
    options = list(riddle.option_set.order_by("id"))
    seen = []
    for right in options:
        Option.objects.filter(riddle=riddle).update(correct=False)
        Option.objects.filter(pk=right.pk).update(correct=True)
        seen.append(everything(riddle))
    return [one[0] for one, *others in zip(*seen, strict=True) if any(one != other for other in others)]


def test_twins_are_equal_in_every_byte(make: Any) -> None:
    """No page, header, cookie, JSON or error tells which option is correct."""
    riddle = make(hint="It has 88.", explanation="A piano has keys.")
    make("Another?")
    assert differences(riddle) == []


def test_a_leak_is_found(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: one flag that moves an option to the front is found on the page and in the API."""
    riddle = make()
    honest = playing.Open.shown

    def leaking(self: playing.Open, player: str) -> list[playing.Shown]:
        first = {choice.text for choice in self.choices if choice.correct}
        return sorted(honest(self, player), key=lambda option: option.text not in first)

    monkeypatch.setattr(playing.Open, "shown", leaking)
    found = differences(riddle)
    assert f"get /riddles/{riddle.pk}/" in found
    assert f"get /riddles/api/riddles/{riddle.pk}/" in found


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
    assert "88" not in client.get(riddle.get_absolute_url()).content.decode()
    assert "88" not in client.post(path, {"option": key(riddle, "A map")}, follow=True).content.decode()
    assert "88" in client.post(path, {"option": key(riddle, "A piano")}, follow=True).content.decode()


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
