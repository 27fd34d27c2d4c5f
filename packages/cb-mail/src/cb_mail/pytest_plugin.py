"""The fixture ``mail_server``, which pytest finds by itself. Imports nothing heavy before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cb_mail.testing import Server

__all__ = ["mail_server"]


@pytest.fixture
def mail_server() -> Iterator[Server]:
    """A real SMTP server on a free port, empty at the beginning of each test: see `cb_mail.testing.Server`."""
    from cb_mail.testing import Server

    with Server() as server:
        yield server
