"""Django, made ready for the command: the site's settings and its data folder."""

from __future__ import annotations

import os

from cb_riddles.errors import NoEnvironment
from cb_riddles.site import data


def django(*, http: bool = False) -> None:
    """Prepare the data folder and set Django up; with *http*, for plain HTTP.

    Raises:
        NoEnvironment: The folder cannot be made, or DATABASE_URL names no database.
    """
    import django as django_itself
    from django.core.exceptions import ImproperlyConfigured

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cb_riddles.site.settings")
    if http:
        os.environ["CB_RIDDLES_HTTP"] = "1"
    try:
        data.prepare()
        django_itself.setup()
    except OSError as error:
        raise NoEnvironment(f"{error.filename}: {error.strerror} (choose another folder: --data DIR)") from error
    except (ValueError, ImproperlyConfigured) as error:
        raise NoEnvironment(str(error).splitlines()[0]) from error


def migrated(*, http: bool = False) -> None:
    """Set Django up and bring the database up to date; quick where it is.

    Raises:
        NoEnvironment: The database cannot be reached or changed.
    """
    django(http=http)
    from django.core.management import call_command
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0, interactive=False)
    except DatabaseError as error:
        raise NoEnvironment(f"the database: {str(error).splitlines()[0]}") from error
