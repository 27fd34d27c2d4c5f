"""The chapter's recipes, in its order: what the book shows, as the app and the command do it."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from typing import Any
from urllib.request import urlopen

import cb_riddles
import django
import pytest
from cb_riddles.models import Option, Riddle
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from django.urls import resolve, reverse
from riddles_support import command, serving


def managed(*words: str) -> str:
    """What a management command prints."""
    out = io.StringIO()
    call_command(*words, stdout=out, no_color=True)
    return out.getvalue()


@pytest.fixture
def author() -> Client:
    """Somebody who is logged in to the admin."""
    get_user_model().objects.create_superuser("ada", "ada@example.org", "secret")
    client = Client()
    assert client.login(username="ada", password="secret")
    return client


def test_01_version() -> None:
    """5.1 version: the version of the package, and of the Django below it."""
    assert command("--version").stdout == f"cb-riddles, version {cb_riddles.__version__}\n"
    assert django.get_version() in command("manage", "version").stdout


def test_02_project(tmp_path: Any) -> None:
    """5.1 project: ``init`` writes a project that Django itself finds nothing wrong with."""
    assert command("init", str(tmp_path / "mine")).returncode == 0
    check = subprocess.run(
        [sys.executable, "manage.py", "check", "--fail-level", "WARNING"],
        cwd=tmp_path / "mine",
        capture_output=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr


def test_04_application() -> None:
    """5.2 application: the app has what startapp makes, and Django knows it by the book's label."""
    from django.apps import apps

    assert apps.get_app_config("riddles").name == "cb_riddles"


def test_05_hello(client: Client) -> None:
    """5.2 a first view: a view that says one word."""
    response = client.get("/healthz/")
    assert (response.status_code, response.content) == (200, b"ok")


def test_06_addresses() -> None:
    """5.2 addresses: the book's three names lead to the book's three addresses."""
    assert reverse("riddles:index") == "/riddles/"
    assert reverse("riddles:detail", args=[3]) == "/riddles/3/"
    assert reverse("riddles:answer", args=[3]) == "/riddles/3/answer/"
    assert resolve("/riddles/3/").kwargs == {"riddle_id": 3}


def test_07_migrate() -> None:
    """5.3 migrate: all migrations are applied, the contributed apps' too."""
    shown = managed("showmigrations")
    assert "[X] 0001_initial" in shown
    assert "[ ]" not in shown


def test_08_models() -> None:
    """5.3 Riddle, Option: the fields and their lengths are the book's."""
    assert Riddle._meta.get_field("riddle_text").max_length == 255
    assert Riddle._meta.get_field("pub_date").verbose_name == "date published"
    assert Option._meta.get_field("text").max_length == 255
    assert Option._meta.get_field("correct").default is False
    assert {Riddle._meta.db_table, Option._meta.db_table} == {"riddles_riddle", "riddles_option"}


def test_10_makemigrations() -> None:
    """5.3 makemigrations: models and migrations agree."""
    assert "No changes detected" in managed("makemigrations", "--check", "--dry-run")


def test_11_sqlmigrate() -> None:
    """5.3 sqlmigrate: the first migration makes the two tables and the index of the foreign key."""
    sql = command("manage", "sqlmigrate", "riddles", "0001").stdout
    assert re.search('CREATE TABLE "riddles_riddle".*"riddle_text" varchar\\(255\\) NOT NULL', sql)
    assert re.search('CREATE TABLE "riddles_option".*REFERENCES "riddles_riddle" \\("id"\\) DEFERRABLE', sql)
    assert 'CREATE INDEX "riddles_option_riddle_id_' in sql


def test_12_admin(author: Client) -> None:
    """5.3 an admin: whoever is logged in sees the riddles; others are asked to log in."""
    assert "Riddles" in author.get("/admin/").content.decode()
    assert Client().get("/admin/").status_code == 302


def form(*options: tuple[str, bool], text: str = "What has keys?") -> dict[str, Any]:
    """What the admin's form sends for a riddle with these options."""
    data: dict[str, Any] = {"riddle_text": text, "pub_date_0": "2026-01-01", "pub_date_1": "12:00:00"}
    data |= {"option_set-TOTAL_FORMS": len(options), "option_set-INITIAL_FORMS": 0}
    for number, (option, correct) in enumerate(options):
        data[f"option_set-{number}-text"] = option
        if correct:
            data[f"option_set-{number}-correct"] = "on"
    return data


def test_13_editing(author: Client) -> None:
    """5.3 riddles in the admin: a riddle is made with its options on one page."""
    response = author.post("/admin/riddles/riddle/add/", form(("A piano", True), ("A map", False)))
    assert response.status_code == 302, response.context["errors"]
    assert [str(option) for option in Riddle.objects.get().option_set.all()] == ["A piano", "A map"]


def test_14_index(client: Client, make: Any) -> None:
    """5.4 list: the five newest riddles are links under the book's heading; without any, the book's sentence."""
    assert "No riddles are available right now." in client.get("/riddles/").content.decode()
    riddles = [make(f"Riddle {age}", age=age) for age in range(1, 7)]
    page = client.get("/riddles/").content.decode()
    assert "<h1>Available Riddles</h1>" in page
    assert re.findall(r'<a href="/riddles/(\d+)/">', page) == [str(riddle.pk) for riddle in riddles[:5]]


def test_15_detail(client: Client, make: Any) -> None:
    """5.4 riddle: the riddle is the heading; its options are radio buttons; the button says Answer."""
    page = client.get(make().get_absolute_url()).content.decode()
    assert "<h1>What has keys?</h1>" in page
    assert page.count('type="radio"') == 3
    assert "<button>Answer</button>" in page


def test_16_right(client: Client, make: Any, key: Any) -> None:
    """5.4 right answer: a right answer leads to the list, which says so."""
    riddle = make()
    response = client.post(f"/riddles/{riddle.pk}/answer/", {"option": key(riddle, "A piano")}, follow=True)
    assert response.redirect_chain == [("/riddles/", 303)]
    assert "Nice! Choose another one!" in response.content.decode()


def test_17_wrong(client: Client, make: Any, key: Any) -> None:
    """5.4 wrong answer: a wrong answer leads back to the riddle, which says so and keeps the choice."""
    riddle = make()
    chosen = key(riddle, "A map")
    response = client.post(f"/riddles/{riddle.pk}/answer/", {"option": chosen}, follow=True)
    assert response.redirect_chain == [(f"/riddles/{riddle.pk}/", 303)]
    page = response.content.decode()
    assert "Wrong Answer!" in page
    assert f'value="{chosen}" checked' in page


@pytest.mark.parametrize("sent", [{}, {"option": ""}, {"option": "abc"}, {"option": "99"}], ids=str)
def test_18_no_option(client: Client, make: Any, sent: dict[str, str]) -> None:
    """5.4 no such option: what is no option of the riddle is refused in the book's words."""
    response = client.post(f"/riddles/{make().pk}/answer/", sent)
    assert response.status_code == 422
    assert "Option does not exist" in response.content.decode()


@pytest.mark.parametrize("path", ["/riddles/99/", "/riddles/99999999999999999999999/"])
def test_19_no_riddle(client: Client, path: str) -> None:
    """5.4 no such riddle: a riddle that is not there is not found."""
    assert client.get(path).status_code == 404
    assert client.post(f"{path}answer/").status_code == 404


def test_20_forgery(make: Any, key: Any) -> None:
    """5.4 forgery: a form without the token that the page had is refused."""
    riddle = make()
    client = Client(enforce_csrf_checks=True)
    sent = {"option": key(riddle, "A piano")}
    assert client.post(f"/riddles/{riddle.pk}/answer/", sent).status_code == 403
    client.get(riddle.get_absolute_url())
    sent["csrfmiddlewaretoken"] = client.cookies["csrftoken"].value
    assert client.post(f"/riddles/{riddle.pk}/answer/", sent).status_code == 303


def test_21_style(client: Client) -> None:
    """5.5 style sheet: the style sheet is linked, and can be found."""
    from django.contrib.staticfiles import finders

    assert '<link rel="stylesheet" href="/static/riddles/main.css">' in client.get("/riddles/").content.decode()
    assert finders.find("riddles/main.css")


def test_03_serve() -> None:
    """5.1 run it: ``serve`` answers on a free port of this machine; the first run makes all that it needs."""
    with serving("--sample") as (address, _):
        page = urlopen(f"{address}/riddles/").read().decode()
    assert "<h1>Available Riddles</h1>" in page
    assert page.count('<li><a href="/riddles/') == 5


def test_09_installed() -> None:
    """5.3 installed: ``"cb_riddles"`` in INSTALLED_APPS is all that Django wants."""
    assert "cb_riddles" in settings.INSTALLED_APPS
    assert "no issues" in managed("check")
