"""Pages that are kept in memory are never old, and counters are never wrong, whoever writes by whatever way."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pytest
from cb_riddles import frames, revision, triggers
from cb_riddles.models import Attempt, Category, Option, Revision, Riddle, Score, Tally
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.db import connection, transaction
from django.db.models import Count, Q
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def text(path: str, **more: Any) -> str:
    """A page as somebody sees it who was never here."""
    return Client().get(path, **more).content.decode()


def asked(client: Client, path: str) -> int:
    """How many queries a page takes."""
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    return len(queries)


def by_hand(sql: str) -> None:
    """Change the database past the ORM."""
    with connection.cursor() as cursor:
        cursor.execute(sql)


CHANGES: dict[str, Callable[[Riddle], Any]] = {
    "save": lambda riddle: Riddle(pk=riddle.pk, riddle_text="Changed", category=riddle.category).save(),
    "update": lambda _: Riddle.objects.update(riddle_text="Changed"),
    "bulk_create": lambda _: Riddle.objects.bulk_create([Riddle(riddle_text="Changed")]),
    "by hand": lambda _: by_hand("UPDATE riddles_riddle SET riddle_text = 'Changed'"),
    "category": lambda _: Category.objects.update(name="Changed"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_seen_at_once(make: Any, change: Any) -> None:
    """The list was asked for and kept; after a change by any way the next one shows it."""
    riddle = make("Before", category=Category.objects.create(name="Things", slug="things"))
    assert "Changed" not in text("/riddles/")
    assert "Changed" not in text("/riddles/")
    change(riddle)
    assert "Changed" in text("/riddles/")


def test_an_options_change_is_seen_at_once(client: Client, make: Any, key: Any) -> None:
    """A riddle's page, its JSON and what is right: none is older than the database."""
    riddle = make()
    paths = (riddle.get_absolute_url(), f"/riddles/api/riddles/{riddle.pk}/")
    sent = {"option": key(riddle, "A map")}
    for _ in range(2):
        assert client.post(f"{paths[0]}answer/", sent)["Location"] == paths[0]
        assert all("A map" in text(path) for path in paths)
    Option.objects.filter(text="A map").update(text="A card", correct=True)
    Option.objects.filter(text="A piano").update(correct=False)
    assert all("A card" in text(path) and "A map" not in text(path) for path in paths)
    assert client.post(f"{paths[0]}answer/", sent)["Location"] == "/riddles/"
    riddle.delete()
    assert [Client().get(path).status_code for path in paths] == [404, 404]
    assert client.post(f"{paths[0]}answer/", sent).status_code == 404


def test_a_riddle_appears_when_its_time_comes(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written when a riddle's date comes, and the kept list is left all the same."""
    make("Now")
    make("Tomorrow", age=-1)
    assert "Tomorrow" not in text("/riddles/")
    tomorrow = timezone.now() + dt.timedelta(days=1, minutes=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: tomorrow)
    assert "Tomorrow" in text("/riddles/")


def test_what_is_rolled_back_is_not_kept(make: Any) -> None:
    """A page that was rendered in a transaction that came to nothing is shown to nobody else."""
    make("Before")
    before = text("/riddles/")
    with transaction.atomic():
        Riddle.objects.update(riddle_text="Changed")
        assert "Changed" in text("/riddles/")
        transaction.set_rollback(True)
    assert text("/riddles/") == before
    Riddle.objects.update(riddle_text="Other")
    assert "Other" in text("/riddles/")


def test_pages_take_one_query(client: Client, make: Any, key: Any) -> None:
    """One for each page and two for an answer, kept or not, right, wrong or again; one more after a change."""
    riddle = make(category=Category.objects.create(name="Things", slug="things"))
    pages = (
        "",
        "?category=things",
        "?q=keys",
        f"{riddle.pk}/",
        f"api/riddles/{riddle.pk}/",
        "api/riddles/",
        "leaders/",
    )
    assert [asked(client, f"/riddles/{path}") for path in pages] == [1] * len(pages)
    assert [asked(client, f"/riddles/{path}") for path in pages] == [1] * len(pages)
    revision.forget()
    for _ in range(2):
        for option in ("A map", "A piano"):
            sent = {"option": key(riddle, option)}
            with CaptureQueriesContext(connection) as queries:
                client.post(f"/riddles/{riddle.pk}/answer/", sent)
            assert sum("SAVEPOINT" not in query["sql"] for query in queries) == 2
    text("/riddles/")
    make("Another")
    assert [asked(Client(), "/riddles/") for _ in range(3)] == [2, 1, 1]


@pytest.fixture
def own_templates(tmp_path: Path) -> Any:
    """A site that shows on its pages who is logged in."""
    from django.conf import settings

    (tmp_path / "riddles").mkdir()
    base = "<p>{{ user.username }}</p>{% block content %}{% endblock %}"
    (tmp_path / "riddles" / "base.html").write_text(base, encoding="utf-8")
    with override_settings(TEMPLATES=[settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]):
        yield


@pytest.mark.usefixtures("own_templates")
def test_pages_of_the_sites_own_are_made_for_each(client: Client, make: Any) -> None:
    """Where a template is replaced, nobody sees what was made for another."""
    riddle = make()
    client.force_login(get_user_model().objects.create_user("ada"))
    for path in ("/riddles/", riddle.get_absolute_url()):
        assert "<p>ada</p>" in client.get(path).content.decode()
        assert "<p></p>" in text(path)
        assert "<p>ada</p>" in client.get(path).content.decode()


def test_each_visitor_has_a_token_and_a_cookie_of_their_own(make: Any) -> None:
    """Of a kept page only what is everybody's is kept."""
    riddle = make()
    seen = [Client().get(riddle.get_absolute_url()) for _ in range(3)]
    for name in ("csrftoken", "riddles_player"):
        assert len({response.cookies[name].value for response in seen}) == 3
    tokens = {response.content.partition(b'csrfmiddlewaretoken" value="')[2][:64] for response in seen}
    assert len(tokens) == 3


def without_middleware() -> Any:
    """A site that has the app and not the package's middleware."""
    from django.conf import settings

    return override_settings(MIDDLEWARE=[one for one in settings.MIDDLEWARE if "kept_pages" not in one])


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "list": ("/riddles/", {}),
    "list in Spanish": ("/riddles/", {"headers": {"accept-language": "es"}}),
    "a category": ("/riddles/?category=things", {}),
    "a search": ("/riddles/?q=keys", {}),
    "riddle": ("/riddles/1/", {}),
}


@pytest.mark.parametrize(("path", "more"), ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("method", ["get", "head", "post"])
def test_the_middleware_changes_no_answer(
    make: Any, monkeypatch: pytest.MonkeyPatch, path: str, more: dict[str, Any], method: str
) -> None:
    """With it or without, kept or not: status, headers, cookies and body are the same."""
    monkeypatch.setattr("secrets.token_urlsafe", lambda length: "b" * length)
    monkeypatch.setattr("secrets.token_hex", lambda length=32: "a" * 2 * length)
    monkeypatch.setattr("django.middleware.csrf.get_random_string", lambda length, allowed_chars: "a" * length)
    monkeypatch.setattr("django.core.signing.TimestampSigner.timestamp", lambda self: "1")
    make(pk=1, category=Category.objects.create(name="Things", slug="things"))

    def seen() -> list[Any]:
        revision.forget()
        found = []
        for warm in (False, True):
            for other, same in ASKED.values() if warm else ():
                Client().get(other, **same)
            client = Client()
            response = getattr(client, method)(path, **more)
            said = client.cookies.output(["max-age", "samesite", "httponly"])
            found.append((response.status_code, dict(response.items()), said, response.content))
        return found

    first, again = seen()
    assert first == again
    with without_middleware():
        assert seen() == [first, first]


def test_whoever_is_logged_in_sees_their_own(client: Client, make: Any) -> None:
    """A page that was kept for visitors is none for a user: the order is theirs, and they get no visitor's name."""
    riddle = make("Which?", *map(str, range(9)))
    path = riddle.get_absolute_url()
    user = get_user_model().objects.create_user("ada")

    def rows(page: str) -> list[str]:
        return re.findall(r"<span>(\d)</span>", page)

    orders = [rows(text(path)) for _ in range(3)]
    assert len({str(order) for order in orders}) == 3
    with without_middleware():
        client.get(path)
        client.force_login(user)
        wanted = rows(client.get(path).content.decode())
    for cookie in (None, client.cookies["riddles_player"].value):
        again = Client()
        again.force_login(user)
        if cookie:
            again.cookies["riddles_player"] = cookie
        found = again.get(path)
        assert rows(found.content.decode()) == wanted
        assert "riddles_player" not in found.cookies


@override_settings(CSRF_USE_SESSIONS=True)
def test_a_token_in_the_session_is_one(make: Any, key: Any) -> None:
    """Where the site keeps the token in the session, the middleware leaves all to the view."""
    riddle = make()
    for _ in range(2):
        client = Client(enforce_csrf_checks=True)
        page = client.get(riddle.get_absolute_url()).content.decode()
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        path, option = f"{riddle.get_absolute_url()}answer/", key(riddle, "A piano")
        assert client.post(path, {"option": option, "csrfmiddlewaretoken": token})["Location"] == "/riddles/"
        assert client.post(path, {"option": option, "csrfmiddlewaretoken": "x"}).status_code == 403


def test_words_said_once_are_shown_though_the_list_is_kept(client: Client, make: Any, key: Any) -> None:
    """After a right answer the list has its line, once; nobody else sees it."""
    riddle = make()
    for _ in range(2):
        assert "Nice!" not in text("/riddles/")
    client.post(f"{riddle.get_absolute_url()}answer/", {"option": key(riddle, "A piano")})
    assert "Nice!" not in text("/riddles/")
    seen = [client.get("/riddles/").content.decode() for _ in range(2)]
    assert ["Nice!" in page for page in seen] == [True, False]


def test_riddles_need_no_memory(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred of them, of a kind, take one frame, and any takes one query; so does a number with zeros before it."""
    rendered: list[str] = []
    render = frames.render_to_string

    def rendering(name: str, *more: Any) -> str:
        rendered.append(name)
        return render(name, *more)

    monkeypatch.setattr(frames, "render_to_string", rendering)
    riddles = [make(f"Riddle {n}") for n in range(100)]
    for riddle in riddles:
        assert asked(Client(), riddle.get_absolute_url()) == 1
        assert asked(Client(), f"/riddles/00{riddle.pk}/") == 1
    assert rendered == ["riddles/detail.html"]
    assert revision._kept == {}


def test_frames_are_bounded_and_made_anew(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there are too many all go; one that is old goes, for the address of its style sheet may be old, too."""
    path = make().get_absolute_url()
    monkeypatch.setattr(frames, "_MOST", 2)
    for language in ("en", "es", "en", "es"):
        for place in ("", "/a", "/b", ""):
            assert "A piano" in text(path, headers={"accept-language": language}, SCRIPT_NAME=place)
            assert len(frames._frames) <= 2
    text(path)
    monkeypatch.setattr(revision, "AGE", -1)
    monkeypatch.setattr("django.templatetags.static.StaticNode.handle_simple", staticmethod("/new/{}".format))
    assert "/new/riddles/main.css" in text(path)


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TEXTS, st.lists(TEXTS, min_size=2, max_size=5), st.just("") | TEXTS, st.none() | TEXTS, st.integers(1, 2))
@example("%(text)s & <b>", ["%", "%%s", "</label>", "%(key)s"], "{{ x }}%d", "100 % \"'", 2)
def test_a_frame_that_is_filled_is_what_the_template_makes(
    make: Any, words: str, options: list[str], hint: str, category: str | None, right: int
) -> None:
    """Any text in any of a riddle's places, byte for byte."""
    with transaction.atomic(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("secrets.token_urlsafe", lambda length: "b" * length)
        patch.setattr("secrets.token_hex", lambda length=32: "a" * 2 * length)
        patch.setattr("django.middleware.csrf.get_random_string", lambda length, allowed_chars: "a" * length)
        under = category and Category.objects.create(name=category, slug=category)
        path = make(words, *options, right=right, hint=hint, category=under or None).get_absolute_url()
        first, again = text(path), text(path)
        assert frames._frames
        patch.setattr(frames, "ours", lambda _: False)
        frames._frames.clear()
        assert first == again == text(path)
        transaction.set_rollback(True)


def test_each_language_has_its_page(make: Any) -> None:
    """What was kept for one language is not shown in another."""
    make()
    pages = [text("/riddles/", headers={"accept-language": language}) for language in ("en", "es", "en", "es")]
    assert ['<html lang="en">' in page for page in pages] == [True, False, True, False]


@override_settings(DEBUG=True)
def test_a_developer_sees_changes_of_templates(client: Client, make: Any) -> None:
    """With DEBUG nothing is kept."""
    make()
    assert client.get("/riddles/").context
    assert client.get("/riddles/").context


def test_memory_is_bounded(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is full, all goes; what is old goes too."""
    monkeypatch.setattr(revision, "MOST", 2)
    for n in range(4):
        make(str(n), category=Category.objects.create(name=f"c{n}", slug=f"c{n}"))
    for n in range(4):
        assert f"c{n}" in text(f"/riddles/?category=c{n}")
        assert 1 <= len(revision._kept) <= 2
    monkeypatch.setattr(revision, "AGE", -1)
    assert asked(Client(), "/riddles/?category=c3") == 1


def counted() -> tuple[Any, Any]:
    """What the counters should say."""
    right = Count("id", filter=Q(correct=True))
    tallies = Attempt.objects.values("riddle").annotate(n=Count("id"), right=right).values_list("riddle", "n", "right")
    users = Attempt.objects.filter(scored=True, player__startswith="u").values("player").annotate(n=Count("id"))
    return sorted(tallies), sorted(users.values_list("player", "n"))


def counters() -> tuple[Any, Any]:
    """What they do say."""
    tallies = Tally.objects.filter(answers__gt=0).values_list("riddle", "answers", "correct")
    return sorted(tallies), sorted(Score.objects.filter(solved__gt=0).values_list("player", "solved"))


def test_a_right_answer_is_looked_up_by_its_index(make: Any) -> None:
    """Whether it scored before is one step in an index, however many have answered the riddle."""
    if connection.vendor != "sqlite":
        return
    for riddle in (make("One"), make("Two")):
        for wrong in range(50):
            Attempt.objects.bulk_create(
                Attempt(riddle=riddle, player=f"v{n}", correct=not wrong, scored=not wrong) for n in range(10)
            )
    by_hand("ANALYZE")
    with CaptureQueriesContext(connection) as queries:
        Attempt.objects.keep(Riddle.objects.all()[0].pk, "v1", correct=True)
    (insert,) = [query["sql"] for query in queries if "INSERT" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {insert}")
        plan = str(cursor.fetchall())
    assert "riddles_scored_once (player=? AND riddle_id=?)" in plan


STEP = st.tuples(st.integers(0, 2), st.sampled_from(["u1", "u2", "vx"]), st.booleans())


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(STEP, max_size=12), st.integers(0, 3))
def test_counters_are_exact(make: Any, steps: list[tuple[int, str, bool]], after: int) -> None:
    """Answers, merged players, deleted answers, users and riddles: tallies and scores are what counting would say."""
    with transaction.atomic():
        riddles = [make(str(n)) for n in range(3)]
        for n, player, correct in steps:
            Attempt.objects.keep(riddles[n].pk, player, correct=correct)
        assert counters() == counted()
        if after == 1:
            Attempt.objects.filter(player="vx").update(player="u3")
        elif after == 2:
            Attempt.objects.filter(riddle=riddles[0]).delete()
        elif after == 3:
            riddles[1].delete()
        assert counters() == counted()
        transaction.set_rollback(True)


def test_what_was_there_before_is_counted(make: Any) -> None:
    """The first installation, and the one after ``flush``, counts what is there; the next leaves all as it is."""
    Attempt.objects.keep(make().pk, "u1", correct=True)
    Tally.objects.all().delete()
    Score.objects.all().delete()
    Revision.objects.all().delete()
    assert revision.stamp() is None
    assert text("/riddles/") == text("/riddles/")
    assert revision._kept == {}
    triggers.install()
    assert counters() == counted()
    token = Revision.objects.get().token
    triggers.install()
    assert Revision.objects.get().token == token


def test_a_database_without_triggers_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check says what is lost there."""
    monkeypatch.setattr(connection, "vendor", "mysql")
    assert [message.id for message in run_checks() if message.id.startswith("riddles")] == ["riddles.W001"]
    triggers.install()  # does nothing
