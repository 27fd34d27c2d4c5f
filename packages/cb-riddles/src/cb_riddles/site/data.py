"""The data folder: a secret key, the database and the style sheets as they are served. Nobody else may look in."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path


def folder() -> Path:
    """Return where the site keeps what it has: CB_RIDDLES_DATA, or a folder of the user's."""
    if given := os.environ.get("CB_RIDDLES_DATA"):
        return Path(given).absolute()
    home = os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()
    return Path(home, "cb-riddles").absolute()


def prepare() -> Path:
    """Make the data folder (0700) and the secret key in it (0600), whole or not at all, unless they are there."""
    place = folder()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.chmod(0o700)
    if not (key := place / "secret.key").exists():
        handle, name = tempfile.mkstemp(dir=place)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(50))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, key)  # another process may have been quicker: its key holds
        except FileExistsError:
            pass
        finally:
            Path(name).unlink()
    return place


def secret_key() -> str:
    """Return CB_RIDDLES_SECRET_KEY, or the key in the data folder; nothing where there is none."""
    if given := os.environ.get("CB_RIDDLES_SECRET_KEY"):
        return given
    try:
        return (folder() / "secret.key").read_text(encoding="ascii")
    except OSError:
        return ""
