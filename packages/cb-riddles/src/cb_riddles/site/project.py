"""A project that starts from the site's settings and is its owner's to change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cb_riddles.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES = {
    "manage.py": '''\
"""Django's commands, with this folder's settings: python manage.py migrate."""

import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
os.environ.setdefault("CB_RIDDLES_DATA", str(Path(__file__).parent / "data"))

if __name__ == "__main__":
    from cb_riddles.site import data
    from django.core.management import execute_from_command_line

    data.prepare()
    execute_from_command_line(sys.argv)
''',
    "settings.py": '''\
"""All settings of the site, and what is yours."""

from cb_riddles.site.settings import *  # noqa: F403

ROOT_URLCONF = "urls"
WSGI_APPLICATION = "wsgi.application"
RIDDLES = {"LATEST": 5, "SHUFFLE": True, "RECORD_ATTEMPTS": True, "REVEAL": "after_correct", "RATE_LIMIT": "60/m"}
''',
    "urls.py": '''\
"""The addresses: the site's, and yours."""

from django.urls import include, path

urlpatterns = [path("", include("cb_riddles.site.urls"))]
''',
    "wsgi.py": '''\
"""What a server loads: granian --interface rsgi wsgi:site, or wsgi:application where it speaks WSGI."""

import os
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
os.environ.setdefault("CB_RIDDLES_DATA", str(Path(__file__).parent / "data"))

from cb_riddles.site.rsgi import Site  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()
site = Site(application)
''',
}


def write(folder: str) -> Iterator[str]:
    """Write the project's files into *folder* and give their names.

    Raises:
        Refused: One is there already (nothing is written then), or the folder cannot be written to.
    """
    place = Path(folder)
    for name in _FILES:
        if (place / name).exists():
            raise Refused(f"{place / name} is there already (choose another folder)")
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name, text in _FILES.items():
            (place / name).write_text(text, encoding="utf-8")
            yield str(place / name)
    except OSError as error:
        raise Refused(f"{folder}: {error.strerror}") from error
