"""Independent readers of a message, and what they all must see in it."""

from __future__ import annotations

import email
import email.policy
import json
import shutil
import subprocess
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import pytest
from mail_support import node_modules

HERE = Path(__file__).parent
FIELDS = ("From", "To", "Cc", "Reply-To", "Subject", "X-Note")


def perl(script: str, module: str) -> Reader:
    """Return a reader written in Perl."""
    program = shutil.which("perl")
    if (
        program is None
        or subprocess.run([program, f"-M{module}", "-e", "1"], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"{module} is not installed (apt install libmime-tools-perl libemail-mime-perl)")
    return Reader([program, str(HERE / script)])


def postal_mime() -> Reader | None:
    """Return a reader written in JavaScript, where it is at hand."""
    modules = node_modules("postal-mime")
    return Reader(["node", str(HERE / "parse_postal_mime.cjs"), str(modules)]) if modules else None


class Reader:
    """A program: one process that is given message after message."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __call__(self, raw: bytes) -> dict[str, Any]:
        """Return what it sees: fields, the tree of parts, and what it has to say against the message."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"%d\n" % len(raw) + raw)
        self._process.stdin.flush()
        seen: dict[str, Any] = json.loads(self._process.stdout.readline())
        return seen

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)


def cpython(raw: bytes) -> dict[str, Any]:
    """Read with the standard library."""
    message = email.message_from_bytes(raw, policy=email.policy.default.clone(raise_on_defect=False))
    assert isinstance(message, EmailMessage)
    bad: list[str] = []
    head = {}
    for name in FIELDS:
        value = message[name]
        head[name] = None if value is None else str(value)
        bad += [] if value is None else [str(defect) for defect in value.defects]
    return {"head": head, "tree": _tree(message, bad), "bad": bad}


def _tree(part: Any, bad: list[str]) -> dict[str, Any]:
    bad += map(repr, part.defects)
    if part.is_multipart():
        return {"type": part.get_content_type(), "parts": [_tree(one, bad) for one in part.iter_parts()]}
    cid = part["Content-ID"]
    return {
        "type": part.get_content_type(),
        "name": part.get_filename(),
        "cid": None if cid is None else str(cid).strip("<>"),
        "data": part.get_payload(decode=True).hex(),
    }
