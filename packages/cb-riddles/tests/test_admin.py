"""The admin: a riddle is saved only if it can be won, and what it says is escaped."""

from __future__ import annotations

from typing import Any

import pytest
from cb_riddles.models import Attempt, Riddle
from django.contrib.auth import get_user_model
from django.test import Client

ADD = "/admin/riddles/riddle/add/"


@pytest.fixture
def author() -> Client:
    """Somebody who is logged in to the admin."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ada", "ada@example.org", "secret"))
    return client


def form(*options: tuple[str, bool]) -> dict[str, Any]:
    """What the form sends for a riddle with these options."""
    data: dict[str, Any] = {"riddle_text": "What has keys?", "pub_date_0": "2026-01-01", "pub_date_1": "12:00:00"}
    data |= {"option_set-TOTAL_FORMS": len(options), "option_set-INITIAL_FORMS": 0}
    for number, (option, correct) in enumerate(options):
        data[f"option_set-{number}-text"] = option
        if correct:
            data[f"option_set-{number}-correct"] = "on"
    return data


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([("A piano", True)], "A riddle needs two options at least, not 1."),
        ([("A piano", False), ("A map", False)], "No option is correct."),
        ([("A map", True), ("A map", False)], "The option &#x27;A map&#x27; is there twice."),
        ([], "A riddle needs two options at least, not 0."),
    ],
)
def test_what_cannot_be_won_is_not_saved(author: Client, options: list[tuple[str, bool]], says: str) -> None:
    """The form comes back and says what is wrong; nothing is saved."""
    response = author.post(ADD, form(*options))
    assert response.status_code == 200
    assert says in response.content.decode()
    assert not Riddle.objects.exists()


def test_the_last_right_option_cannot_be_taken_away(author: Client, make: Any) -> None:
    """Deleting the right option is refused like making a riddle without one."""
    riddle = make()
    data = form(*((str(option), option.correct) for option in riddle.option_set.order_by("id")))
    data["option_set-INITIAL_FORMS"] = 3
    for number, option in enumerate(riddle.option_set.order_by("id")):
        data |= {f"option_set-{number}-id": option.pk, f"option_set-{number}-riddle": riddle.pk}
    response = author.post(f"/admin/riddles/riddle/{riddle.pk}/change/", data | {"option_set-0-DELETE": "on"})
    assert "No option is correct." in response.content.decode()
    assert riddle.option_set.count() == 3


def test_the_success_rate_is_a_column(author: Client, make: Any) -> None:
    """One right answer of four is 25 %; a riddle that nobody answered has none."""
    riddle = make()
    make("Another?")
    for player in "abcd":
        Attempt.objects.keep(riddle.pk, player, correct=player == "a")
    page = author.get("/admin/riddles/riddle/").content.decode()
    assert "25 % of 4" in page
    assert '<td class="field-success">-</td>' in page


def test_attempts_are_read_only(author: Client, make: Any) -> None:
    """Nobody writes an attempt by hand."""
    Attempt.objects.keep(make().pk, "a", correct=True)
    assert author.get("/admin/riddles/attempt/").status_code == 200
    assert author.get("/admin/riddles/attempt/add/").status_code == 403


def test_an_author_sees_what_is_not_published_yet(author: Client, make: Any) -> None:
    """The preview is the riddle's own address, for those who may see it in the admin."""
    riddle = make(age=-1)
    assert "A piano" in author.get(riddle.get_absolute_url()).content.decode()
    assert author.get("/riddles/999/").status_code == 404


def test_texts_are_escaped(author: Client, client: Client, make: Any) -> None:
    """Markup, and a template's and a format string's, are shown as they were written."""
    riddle = make("<script>alert(1)</script>", "{x} <b>", "{{ y }}", hint="<i>")
    for page in (client.get(riddle.get_absolute_url()), client.get("/riddles/"), author.get("/admin/riddles/riddle/")):
        assert "<script>alert" not in page.content.decode()
    page = client.get(riddle.get_absolute_url()).content.decode()
    assert "{x} &lt;b&gt;" in page
    assert "{{ y }}" in page
    assert "&lt;i&gt;" in page
