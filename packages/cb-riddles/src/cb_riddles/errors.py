"""What the command cannot do, said in one line."""

from __future__ import annotations

from typing import ClassVar


class Refused(Exception):
    """Something that the user must mend; the message is one line that says what to do."""

    status: ClassVar[int] = 1


class NoInput(Refused):
    """A file that is named, and is not there or may not be read."""

    status: ClassVar[int] = 2

    def __init__(self, file: str, error: OSError) -> None:
        super().__init__(f"{file}: {error.strerror} (look at the name and the rights)")


class NoEnvironment(Refused):
    """The machine lacks something: a folder, a database, a port."""

    status: ClassVar[int] = 3
