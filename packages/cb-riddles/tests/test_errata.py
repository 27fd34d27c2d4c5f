"""What was wrong in the chapter, each as it is now."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cb_riddles import models, urls
from cb_riddles.admin import RiddleAdmin
from django.template import engines
from django.test import Client
from django.test.utils import CaptureQueriesContext

PACKAGE = files("cb_riddles")


def source(name: str) -> str:
    """The text of a file of the package."""
    return (PACKAGE / name).read_text(encoding="utf-8")


def post(client: Client, riddle: Any, *keys: str) -> Any:
    """Send an answer."""
    return client.post(f"/riddles/{riddle.pk}/answer/", {"option": keys})


def test_01_02_addresses_are_paths() -> None:
    """``path`` and a converter, where ``conf.urls.url`` is gone and a pattern had lost its group's name."""
    assert [str(pattern.pattern) for pattern in urls.urlpatterns[:3]] == [
        "",
        "<int:riddle_id>/",
        "<int:riddle_id>/answer/",
    ]


def test_03_templates_load() -> None:
    """Every template compiles: none loads ``staticfiles``, which is gone."""
    names = sorted(path.name for path in (PACKAGE / "templates" / "riddles").iterdir())
    assert len(names) == 6
    for name in names:
        assert engines["django"].get_template(f"riddles/{name}")


def test_04_form_leads_to_the_answer(client: Client, make: Any) -> None:
    """The form's action is the answer's address, not the letters of a broken tag."""
    riddle = make()
    assert f'<form action="/riddles/{riddle.pk}/answer/"' in client.get(riddle.get_absolute_url()).content.decode()


def test_05_links_lead_where_they_say(client: Client, make: Any) -> None:
    """A link in the list is answered at once, without a redirect; the link element has a text and an end."""
    riddle = make()
    (href,) = re.findall(r'<a href="([^"]+)">What has keys\?</a>', client.get("/riddles/").content.decode())
    assert href == riddle.get_absolute_url()
    assert client.get(href).status_code == 200


@pytest.mark.parametrize("sent", ["abc", "", "1e9", "\0", "9" * 400])
def test_06_nonsense_is_no_crash(client: Client, make: Any, sent: str) -> None:
    """An option that is no number was a ValueError and status 500."""
    assert post(client, make(), sent).status_code == 422


def test_07_unknown_option_is_refused(client: Client, make: Any, key: Any) -> None:
    """Another riddle's option is refused with a status that says so, not with 200."""
    other = key(make("Another?", "Yes", "No"), "Yes")
    response = post(client, make(), other)
    assert (response.status_code, models.Attempt.objects.count()) == (422, 0)


def test_08_an_answer_is_a_post(client: Client, make: Any) -> None:
    """GET on the answer's address is not allowed."""
    response = client.get(f"/riddles/{make().pk}/answer/")
    assert (response.status_code, response["Allow"]) == (405, "POST")


def test_09_reload_sends_nothing_again(client: Client, make: Any, key: Any) -> None:
    """What an answer says is shown once, on a page that was asked for by GET."""
    riddle = make()
    response = post(client, riddle, key(riddle, "A map"))
    assert (response.status_code, response["Location"]) == (303, riddle.get_absolute_url())
    assert "Wrong Answer!" in client.get(riddle.get_absolute_url()).content.decode()
    assert "Wrong Answer!" not in client.get(riddle.get_absolute_url()).content.decode()
    assert models.Attempt.objects.count() == 1


def test_10_not_found_exists(client: Client) -> None:
    """``HttpResponse404`` never did; what is not there is Http404."""
    assert client.get("/riddles/1/").status_code == 404


def test_11_future_riddles_are_hidden(client: Client, make: Any, key: Any) -> None:
    """A riddle before its date is neither listed nor shown nor answered."""
    riddle = make(age=-1)
    assert "No riddles are available right now." in client.get("/riddles/").content.decode()
    assert client.get(riddle.get_absolute_url()).status_code == 404
    assert post(client, riddle, key(riddle, "A piano")).status_code == 404
    assert client.get(f"/riddles/api/riddles/{riddle.pk}/").status_code == 404
    assert models.Attempt.objects.count() == 0


def test_12_the_list_has_an_order_and_an_index(make: Any) -> None:
    """Riddles of one date come in a certain order, and the database sorts nothing."""
    from django.db import connection

    first = make("First")
    for text in ("Second", "Third"):
        models.Riddle.objects.create(riddle_text=text, pub_date=first.pub_date)
    assert [str(riddle) for riddle in models.Riddle.objects.newest(3)] == ["Third", "Second", "First"]
    if connection.vendor == "sqlite":
        plan = models.Riddle.objects.newest().explain()
        assert "riddles_newest" in plan
        assert "TEMP B-TREE" not in plan


def test_13_riddles_have_a_name(make: Any) -> None:
    """The admin lists texts, not "Riddle object (1)"."""
    riddle = make()
    assert (str(riddle), str(riddle.option_set.first())) == ("What has keys?", "A piano")


def test_14_options_are_written_with_their_riddle() -> None:
    """Options are inline in the riddle's form; there is no page for them alone."""
    from django.contrib import admin

    assert [inline.model for inline in RiddleAdmin.inlines] == [models.Option]
    assert not admin.site.is_registered(models.Option)


def test_15_names_are_the_apps_own() -> None:
    """Templates and style sheet are in a folder of the app's name, where no other app's can hide them."""
    assert [path.name for path in (PACKAGE / "templates").iterdir()] == ["riddles"]
    assert [path.name for path in (PACKAGE / "static").iterdir()] == ["riddles"]


def test_16_templates_are_a_folder() -> None:
    """Not a module: there is nothing to import in it; the app itself is one, by ``__init__.py``."""
    assert not (PACKAGE / "templates" / "__init__.py").is_file()
    assert (PACKAGE / "__init__.py").is_file()


def test_17_pages_are_whole(client: Client, make: Any) -> None:
    """A page has a language, a title and a main part; a form has a legend, and a choice must be made."""
    page = client.get(make().get_absolute_url()).content.decode()
    for part in ("<!DOCTYPE html>", '<html lang="en">', "<title>What has keys?</title>", "<main>", "<fieldset>"):
        assert part in page
    assert page.count("<legend>") == 1
    assert page.count(" required> ") == 3


def test_18_the_place_tells_nothing(make: Any) -> None:
    """The right option, always written first, is seen in every place, by one visitor or another; each has one order."""
    from cb_riddles import playing

    opened = playing.find(make().pk)
    seen = {player: [option.text for option in opened.shown(player)] for player in map(str, range(60))}
    assert {order.index("A piano") for order in seen.values()} == {0, 1, 2}
    assert seen == {player: [option.text for option in opened.shown(player)] for player in seen}


def test_19_the_first_migration_renames_nothing() -> None:
    """The two tables are made in one step each."""
    assert source("migrations/0001_initial.py").count("CreateModel(") == 2
    assert "RenameModel" not in source("migrations/0001_initial.py")


def test_20_no_secret_is_shipped(tmp_path: Path) -> None:
    """The site's settings hold no key and no DEBUG, where no data folder has them."""
    code = "from cb_riddles.site import settings; print([settings.SECRET_KEY, hasattr(settings, 'DEBUG')])"
    alone = {**os.environ, "CB_RIDDLES_DATA": str(tmp_path)}
    assert subprocess.check_output([sys.executable, "-c", code], env=alone, text=True) == "['', False]\n"


def test_21_the_style_sheet_has_what_is_used() -> None:
    """No vendor prefix, no rule that stretches a radio button, no class that no template has; under 4 kB."""
    sheet = source("static/riddles/main.css")
    assert "-moz-" not in sheet
    assert "width: 50%" not in sheet
    templates = "".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "templates" / "riddles").iterdir())
    used = {name for names in re.findall(r'class="([^"]+)"', templates) for name in names.split()}
    assert set(re.findall(r"\.([a-z]+)[ :,]", sheet)) == used
    assert len(sheet) < 4096


def test_22_queries_are_few(client: Client, make: Any, key: Any) -> None:
    """One for the list, one for a riddle, one to read and one to write for an answer, however many options."""
    from django.db import connection

    riddle = make("Which?", *map(str, range(30)))
    right, wrong = key(riddle, "0"), key(riddle, "1")
    asked: dict[str, int] = {}
    for name, ask in {
        "list": lambda: client.get("/riddles/"),
        "detail": lambda: client.get(riddle.get_absolute_url()),
        "right": lambda: post(client, riddle, right),
        "wrong": lambda: post(client, riddle, wrong),
    }.items():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            ask()
        asked[name] = sum("SAVEPOINT" not in query["sql"] for query in queries)
    assert asked == {"list": 1, "detail": 1, "right": 2, "wrong": 2}


def test_23_django_is_one_that_is_kept() -> None:
    """The Django that runs is 5.2 or newer."""
    import django

    assert django.VERSION >= (5, 2)


def test_24_one_template_has_the_form() -> None:
    """There is one page with the riddle's form, and it says Answer once."""
    templates = [path.read_text(encoding="utf-8") for path in (PACKAGE / "templates" / "riddles").iterdir()]
    assert sum(text.count("riddles:answer") for text in templates) == 1
