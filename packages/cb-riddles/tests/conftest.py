"""Django with the least settings that the app needs, and a database that is empty again after each test."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent))

from cb_riddles.site.database import from_url
from riddles_support import command

# test_postgresql.py runs some of these files again, on PostgreSQL.
URL = os.environ.get("CB_RIDDLES_TEST_DATABASE")
DATABASE = from_url(URL) if URL else {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
if not settings.configured:
    settings.configure(
        SECRET_KEY="a key for tests",
        ALLOWED_HOSTS=["testserver"],
        DATABASES={"default": DATABASE},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LANGUAGES=[("en", "English"), ("es", "Español")],
        INSTALLED_APPS=[
            "cb_riddles",
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "django.contrib.staticfiles",
        ],
        MIDDLEWARE=[
            "cb_riddles.site.headers.policy",
            "django.middleware.locale.LocaleMiddleware",
            "cb_riddles.middleware.kept_pages",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF="cb_riddles.site.urls",
        STATIC_URL="static/",
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        USE_TZ=True,
    )
    django.setup()


@pytest.fixture(scope="session")
def database() -> Iterator[None]:
    """A migrated database in memory, for this process."""
    from django.db import connection
    from django.test.utils import setup_test_environment, teardown_test_environment

    setup_test_environment()
    name = connection.creation.create_test_db(verbosity=0)
    yield
    connection.creation.destroy_test_db(name, verbosity=0)
    connection.close()
    teardown_test_environment()


@pytest.fixture(autouse=True)
def data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own for the commands that it runs."""
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("CB_RIDDLES_DATA", str(folder))
    for name in ("DATABASE_URL", "CACHE_URL", "CB_RIDDLES_HTTP", "DJANGO_SETTINGS_MODULE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose database is up to date, made once by the command itself."""
    folder = tmp_path_factory.mktemp("migrated")
    assert command("--data", str(folder), "stats").returncode == 0
    return folder


@pytest.fixture
def site(data: Path, migrated: Path) -> Path:
    """A data folder of the test's own, ready to be used."""
    shutil.copytree(migrated, data, dirs_exist_ok=True)
    return data


@pytest.fixture(autouse=True)
def empty(database: None) -> Iterator[None]:
    """What a test writes is gone after it."""
    from cb_riddles import frames, revision
    from django.core.cache import cache
    from django.db import transaction

    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    cache.clear()
    revision.forget()
    frames._frames.clear()


@pytest.fixture
def client() -> Any:
    """A visitor without cookies."""
    from django.test import Client

    return Client()


@pytest.fixture
def make() -> Any:
    """Make a riddle: ``make("text", "right", "wrong", "wrong")``; ``right=2`` for two right ones."""
    from cb_riddles.models import Riddle
    from django.utils import timezone

    def _make(text: str = "What has keys?", *options: str, right: int = 1, age: float = 1, **more: Any) -> Riddle:
        riddle = Riddle.objects.create(riddle_text=text, pub_date=timezone.now() - timedelta(days=age), **more)
        for number, option in enumerate(options or ("A piano", "A map", "A river")):
            riddle.option_set.create(text=option, correct=number < right)
        return riddle

    return _make


@pytest.fixture
def key() -> Any:
    """The public name of a riddle's option with this text."""
    from cb_riddles.play import option_key

    def _key(riddle: Any, text: str) -> str:
        return option_key(settings.SECRET_KEY, riddle.option_set.get(text=text).pk)

    return _key
