"""The database: SQLite in the data folder, tuned for many readers and a writer, or PostgreSQL by DATABASE_URL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path


def from_url(url: str) -> dict[str, Any]:
    """Return Django's settings for ``postgres://user:password@host:port/name?sslmode=require`` or ``sqlite:///path``.

    Raises:
        ValueError: The address names no database that is supported; the message does not hold it, for the password.

    >>> from_url("postgres://ada@db.example:5433/riddles")["PORT"]
    '5433'
    """
    parts = urlsplit(url)
    if parts.scheme in {"sqlite", "sqlite3"} and parts.path.strip("/"):
        return sqlite(unquote(parts.path[1:]))
    if parts.scheme in {"postgres", "postgresql"} and parts.path.strip("/"):
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path[1:]),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or ""),
            "PORT": str(parts.port or ""),
            "OPTIONS": dict(parse_qsl(parts.query)),
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": True,
        }
    raise ValueError("DATABASE_URL must be like postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite:////PATH")


def sqlite(path: str | Path) -> dict[str, Any]:
    """Return Django's settings for a SQLite file.

    WAL lets readers go on while one writes; an answer that was acknowledged survives the death of the process. That it
    survives a power cut too costs a wait for the disk at each answer: CB_RIDDLES_DURABLE=1.
    """
    safe = "FULL" if os.environ.get("CB_RIDDLES_DURABLE") == "1" else "NORMAL"
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={safe}",
        },
        "CONN_MAX_AGE": None,
    }
