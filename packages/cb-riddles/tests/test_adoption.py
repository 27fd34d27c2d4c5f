"""Whoever followed the book swaps the app in and keeps the data."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MODELS = """
from django.db import models

class Riddle(models.Model):
    riddle_text = models.CharField(max_length=255)
    pub_date = models.DateTimeField('date published')

class Option(models.Model):
    riddle = models.ForeignKey(Riddle, on_delete=models.CASCADE)
    text = models.CharField(max_length=255)
    correct = models.BooleanField(default=False)
"""

# What the book's Django made ids of: plain integers.
SETUP = """
import json, sys
import django
from django.conf import settings
from django.core.management import call_command
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}}, SECRET_KEY="x", USE_TZ=True,
    INSTALLED_APPS=[sys.argv[2], "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.admin",
                    "django.contrib.messages", "django.contrib.sessions"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField", ROOT_URLCONF="cb_riddles.site.urls")
django.setup()
from django.db import connection

def schema():
    with connection.cursor() as cursor:
        cursor.execute("select name, sql from sqlite_master where name like 'riddles_%' order by name")
        return cursor.fetchall()
"""

BOOK = """
call_command("makemigrations", "riddles", verbosity=0)
call_command("migrate", verbosity=0)
from django.utils import timezone
from riddles.models import Riddle
riddle = Riddle.objects.create(riddle_text="What has keys?", pub_date=timezone.now())
riddle.option_set.create(text="A piano", correct=True)
riddle.option_set.create(text="A map")
print(json.dumps(schema()))
"""

FIRST = """
call_command("migrate", "riddles", "0001", verbosity=0)
print(json.dumps(schema()))
"""

SWAP = """
import io
said = io.StringIO()
call_command("migrate", stdout=said)
call_command("makemigrations", check=True, dry_run=True, verbosity=0)
from cb_riddles.models import Option
rows = list(Option.objects.order_by("id").values_list("riddle__riddle_text", "text", "correct"))
print(json.dumps([said.getvalue(), rows]))
"""


def run(folder: Path, app: str, database: str, program: str) -> Any:
    """Run *program* with *app* and *database* in *folder*; return what it prints."""
    command = [sys.executable, "-c", SETUP + program, database, app]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_database_of_the_books_models_is_taken_over(tmp_path: Path) -> None:
    """The book's app is made and filled; ours has the same first schema, counts it as done, and keeps all data."""
    for name, text in {"models": MODELS, "__init__": "", "migrations/__init__": ""}.items():
        path = tmp_path / "riddles" / f"{name}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8")
    books = run(tmp_path, "riddles", "book.sqlite3", BOOK)
    assert len(books) == 3
    assert run(tmp_path, "cb_riddles", "ours.sqlite3", FIRST) == books

    said, rows = run(tmp_path, "cb_riddles", "book.sqlite3", SWAP)
    assert "Applying riddles.0002_features... OK" in said
    assert "riddles.0001" not in said
    assert rows == [["What has keys?", "A piano", True], ["What has keys?", "A map", False]]
