"""What the command cannot do, said in one line."""

from __future__ import annotations


class Refused(Exception):
    """Something that the user must mend; the message is one line that says what to do."""


class NoEnvironment(Refused):
    """The machine lacks something: a folder, a database, a port."""
