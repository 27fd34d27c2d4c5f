"""Answers, players, scores, pages of the list: the game as visitors play it."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from cb_riddles import player
from cb_riddles.conf import wrong
from cb_riddles.models import Attempt, Category, Riddle
from cb_riddles.play import faults
from cb_riddles.signals import riddle_answered
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.test import Client, override_settings
from django.utils import timezone
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from riddles_support import command


def post(client: Client, riddle: Riddle, *keys: str, **more: Any) -> Any:
    """Send an answer."""
    return client.post(f"/riddles/{riddle.pk}/answer/", {"option": keys}, **more)


def test_all_right_options_are_wanted(client: Client, make: Any, key: Any) -> None:
    """Where several are right there are check boxes, and all of them and no other is the answer."""
    riddle = make("Which?", "One", "Two", "Three", right=2)
    assert client.get(riddle.get_absolute_url()).content.decode().count('type="checkbox"') == 3
    one, two, three = (key(riddle, text) for text in ("One", "Two", "Three"))
    assert post(client, riddle, one)["Location"] == riddle.get_absolute_url()
    assert post(client, riddle, one, two, three)["Location"] == riddle.get_absolute_url()
    assert post(client, riddle, two, one)["Location"] == "/riddles/"


def test_a_right_answer_scores_once(client: Client, make: Any, key: Any) -> None:
    """Every answer is kept; the first right one scores."""
    riddle = make()
    for text in ("A map", "A piano", "A piano"):
        post(client, riddle, key(riddle, text))
    assert list(Attempt.objects.order_by("id").values_list("correct", "scored")) == [
        (False, False),
        (True, True),
        (True, False),
    ]
    page = client.get("/riddles/me/").content.decode()
    assert "Solved: 1 of 1" in page
    assert "Days in a row: 1" in page


def test_an_answer_to_a_riddle_that_is_gone_is_no_score(make: Any) -> None:
    """The database refuses an attempt without a riddle."""
    from django.db import IntegrityError, connection

    Attempt.objects.keep(make().pk + 99, "a", correct=False)
    with pytest.raises(IntegrityError):
        connection.check_constraints()


def test_play_before_login_is_the_users_afterwards(client: Client, make: Any, key: Any) -> None:
    """What a visitor solved counts for the user who logs in; what both solved counts once."""
    user = get_user_model().objects.create_user("ada", password="secret")
    first, second = make(), make("Second?")
    Attempt.objects.keep(first.pk, f"u{user.pk}", correct=True)
    for riddle in (first, second):
        post(client, riddle, key(riddle, "A piano"))
    assert client.login(username="ada", password="secret")  # without a request: nothing is known of the visitor
    request = client.get("/riddles/").wsgi_request
    player.merge(request, user)
    assert Attempt.objects.solved(f"u{user.pk}").count() == 2
    assert "<li>ada: 2</li>" in client.get("/riddles/leaders/").content.decode()
    assert "Solved: 2 of 2" in client.get("/riddles/me/").content.decode()


def test_a_cookie_that_was_meddled_with_is_nobody(client: Client, make: Any) -> None:
    """Somebody else's name cannot be put on."""
    client.cookies[player.COOKIE] = "u1:forged"
    client.cookies["riddles_said"] = "forged"
    response = client.get(make().get_absolute_url())
    assert response.status_code == 200
    assert response.cookies[player.COOKIE].value.startswith("v")


def test_the_signal_says_what_happened(client: Client, make: Any, key: Any) -> None:
    """Other apps hear of each answer."""
    heard: list[dict[str, Any]] = []

    def listen(**words: Any) -> None:
        heard.append(words)

    riddle_answered.connect(listen)
    try:
        riddle = make()
        post(client, riddle, key(riddle, "A piano"))
    finally:
        riddle_answered.disconnect(listen)
    assert [(one["riddle_id"], one["correct"], one["scored"]) for one in heard] == [(riddle.pk, True, True)]


@override_settings(RIDDLES={"RATE_LIMIT": "2/d"})
def test_answers_are_limited(client: Client, make: Any, key: Any) -> None:
    """The third answer from one address waits, cookies or not; another address does not."""
    riddle = make()
    sent = key(riddle, "A map")
    assert [post(Client(), riddle, sent).status_code for _ in range(3)] == [303, 303, 429]
    refused = post(client, riddle, sent)
    assert 0 < int(refused["Retry-After"]) <= 86400
    body = {"data": '{"options": []}', "content_type": "application/json"}
    assert client.post(f"/riddles/api/riddles/{riddle.pk}/answer/", **body).status_code == 429
    assert post(client, riddle, sent, REMOTE_ADDR="10.0.0.1").status_code == 303


@override_settings(RIDDLES={"RATE_LIMIT": "", "RECORD_ATTEMPTS": False, "SHUFFLE": False, "REVEAL": "after_answer"})
def test_settings_change_the_game(client: Client, make: Any, key: Any) -> None:
    """No record, the author's order, and the explanation after a wrong answer, too."""
    riddle = make(explanation="It has 88 keys.")
    page = client.post(f"/riddles/{riddle.pk}/answer/", {"option": key(riddle, "A map")}, follow=True).content.decode()
    assert "88" in page
    assert page.index("A piano") < page.index("A map") < page.index("A river")
    assert not Attempt.objects.exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"LATST": 5}, "RIDDLES['LATST'] means nothing"),
        ({"LATEST": "5"}, "must be of type int"),
        ({"LATEST": True}, "must be of type int"),
        ({"LATEST": 0}, "from 1 to 1000"),
        ({"REVEAL": "always"}, "there are: after_correct, after_answer, never"),
        ({"RATE_LIMIT": "often"}, "like '60/m'"),
        ([], "not a dict"),
    ],
    ids=str,
)
def test_wrong_settings_are_said_at_the_start(given: Any, says: str) -> None:
    """A system check names the key and what to do."""
    assert says in wrong(given)[0]
    with override_settings(RIDDLES=given):
        assert [(error.id, error.msg) for error in run_checks() if error.id == "riddles.E001"] == [
            ("riddles.E001", wrong(given)[0])
        ]


def test_older_riddles_are_on_further_pages(client: Client, make: Any) -> None:
    """Following the link to older ones shows every riddle once, newest first."""
    expected = [make(f"Riddle {age}", age=age).pk for age in range(1, 13)]
    seen, path = [], "/riddles/"
    for _ in range(3):
        response = client.get(path)
        seen += [riddle.pk for riddle in response.context["latest_riddles"]]
        path = "/riddles/" + response.context.get("older", "")
    assert seen == expected
    assert "older" not in response.context


@pytest.mark.parametrize("query", ["before=x", "before=1", "before=99999999999999999999999-1", "category=none"])
def test_no_such_page(client: Client, query: str) -> None:
    """A place or a category that is none is not found."""
    assert client.get(f"/riddles/?{query}").status_code == 404
    assert client.get(f"/riddles/api/riddles/?{query}").status_code == 404


def test_search_and_categories(client: Client, make: Any) -> None:
    """Every word must be in the riddle; a category shows its own."""
    make("What has keys?", category=Category.objects.create(name="Things", slug="things"))
    make("What has no keys?")
    found = [client.get(f"/riddles/?{query}").context["latest_riddles"] for query in ("q=NO+keys", "category=things")]
    assert [[str(riddle) for riddle in riddles] for riddles in found] == [["What has no keys?"], ["What has keys?"]]
    assert str(Category.objects.get()) == "Things"


def test_categories_are_linked(client: Client, make: Any) -> None:
    """From the list and from the riddle to its category, which is named there, and back to all."""
    riddle = make(category=Category.objects.create(name="Things & more", slug="things"))
    for path in ("/riddles/", riddle.get_absolute_url()):
        assert "?category=things" in client.get(path).content.decode()
    page = client.get("/riddles/?category=things").content.decode()
    assert "<h2>Things &amp; more</h2>" in page
    assert '<a href="/riddles/">All riddles</a>' in page


def test_what_is_shared_tells_nothing(client: Client, make: Any, key: Any) -> None:
    """Once the riddle of the day is solved there is something to send: how it went, and nothing of the riddle."""
    riddle = make(hint="88")
    for text, there in (("A map", False), ("A piano", True), ("A river", True)):
        post(client, riddle, key(riddle, text))
        page = client.get("/riddles/me/").content.decode()
        assert ("<pre>" in page) == there
    shared = page.partition("<pre>")[2].partition("</pre>")[0]
    assert shared == f"{timezone.localdate()} ✗✓ (1)\nhttp://testserver/riddles/today/"


def test_the_riddle_of_the_day(client: Client, make: Any) -> None:
    """It is the same all day for everybody, another one on another day, and never one that is not published."""
    assert client.get("/riddles/today/").status_code == 404
    only = make("Only", age=0)
    assert Riddle.objects.of_the_day(timezone.localdate()) == only
    riddles = [make(f"Riddle {age}", age=age) for age in range(-3, 9)]
    days = [timezone.localdate() + dt.timedelta(days=n) for n in range(60)]
    chosen = {Riddle.objects.of_the_day(day) for day in days}
    assert len(chosen) > 3
    assert not chosen & set(riddles[:3])
    today = Riddle.objects.of_the_day(days[0])
    make("New", age=0)
    assert Riddle.objects.of_the_day(days[0]) == today
    assert client.get("/riddles/today/")["Location"] == Riddle.objects.of_the_day(days[0]).get_absolute_url()


def test_a_riddle_without_options(client: Client) -> None:
    """The page says so, where a form would lead nowhere; ``unwinnable`` finds it."""
    riddle = Riddle.objects.create(riddle_text="What?")
    assert "no options yet" in client.get(riddle.get_absolute_url()).content.decode()
    assert list(Riddle.objects.unwinnable()) == [riddle]


@pytest.mark.parametrize(
    ("text", "first", "says"),
    [
        (" ", "a", "the riddle has no text"),
        ("x" * 256, "a", "has 256 characters (at most 255)"),
        ("x", "a\0", "holds a NUL character"),
        ("x", " ", "an option has no text"),
        ("x", "b", "the option 'b' is there twice"),
    ],
)
def test_what_cannot_be_played_is_said(text: str, first: str, says: str) -> None:
    """Each fault is one line."""
    (line,) = faults(text, [(first, True), ("b", False)])
    assert says in line


def test_old_names_and_policies(client: Client) -> None:
    """The icon's old name leads to the icon; every answer has the policy."""
    response = client.get("/favicon.ico")
    assert (response.status_code, response["Location"]) == (302, "/static/riddles/icon.svg")
    assert response["Content-Security-Policy"].startswith("default-src 'self'")


def test_pages_say_nothing_where_nothing_is(client: Client) -> None:
    """Progress and leaders of an empty site."""
    assert "Solved: 0 of 0" in client.get("/riddles/me/").content.decode()
    assert "Nobody has solved" in client.get("/riddles/leaders/").content.decode()


def test_api_plays_the_game(client: Client, make: Any, key: Any) -> None:
    """List, detail and answer as JSON, with exactly the fields that are public."""
    make(hint="88", explanation="It has 88 keys.")
    (row,) = client.get("/riddles/api/riddles/").json()["riddles"]
    assert row.keys() == {"id", "riddle", "published", "url"}
    detail = client.get(row["url"]).json()
    assert detail.keys() == {*row, "hint", "several", "options"}
    assert all(option.keys() == {"key", "text"} for option in detail["options"])
    said = {}
    for option in detail["options"]:
        body = {"options": [option["key"]]}
        said[option["text"]] = client.post(f"{row['url']}answer/", body, content_type="application/json").json()
    wrong_one = {"correct": False, "explanation": ""}
    right_one = {"correct": True, "explanation": "It has 88 keys."}
    assert said == {"A piano": right_one, "A map": wrong_one, "A river": wrong_one}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ('{"options": "x"}', "application/json", 400),
        ('{"options": [1]}', "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        ('{"options": ["x"]}', "application/json", 422),
        ("option=1", "application/x-www-form-urlencoded", 415),
    ],
    ids=lambda value: str(value)[:20],
)
def test_api_refuses_nonsense(client: Client, make: Any, body: str, kind: str, status: int) -> None:
    """Each kind of nonsense has its status and one line that says why."""
    response = client.post(f"/riddles/api/riddles/{make().pk}/answer/", body, content_type=kind)
    assert (response.status_code, list(response.json())) == (status, ["error"])
    gone = client.post("/riddles/api/riddles/999/answer/", '{"options": ["x"]}', content_type="application/json")
    assert gone.status_code == 404


def test_the_document_describes_the_answers(client: Client, make: Any) -> None:
    """The OpenAPI document is a valid one, and each answer of the API is what it says."""
    make(hint="88", explanation="It has 88 keys.")
    document = client.get("/riddles/api/openapi.json").json()
    validate(document)
    assert document["servers"] == [{"url": "/riddles"}]
    row = client.get("/riddles/api/riddles/").json()["riddles"][0]
    keys = [option["key"] for option in client.get(row["url"]).json()["options"]]
    seen = set()
    for method, path, url, body in (
        ("get", "/api/riddles/", "/riddles/api/riddles/", ""),
        ("get", "/api/riddles/", "/riddles/api/riddles/?category=none", ""),
        ("get", "/api/riddles/{riddle_id}/", row["url"], ""),
        ("get", "/api/riddles/{riddle_id}/", "/riddles/api/riddles/999/", ""),
        *(
            ("post", "/api/riddles/{riddle_id}/answer/", f"{row['url']}answer/", text)
            for text in (f'{{"options": ["{keys[0]}"]}}', '{"options": []}', "x")
        ),
    ):
        send = {"data": body, "content_type": "application/json"} if body else {}
        response = getattr(client, method)(url, **send)
        schema = document["paths"][path][method]["responses"][str(response.status_code)]["content"]["application/json"]
        Draft202012Validator({**schema["schema"], "components": document["components"]}).validate(response.json())
        seen.add((method, path, response.status_code))
    assert len(seen) == 7


def test_the_document_is_a_command() -> None:
    """``openapi`` prints it, with the address that it is told."""
    document = json.loads(command("openapi", "--base", "https://example.org/riddles").stdout)
    assert document["servers"] == [{"url": "https://example.org/riddles"}]
