"""What the web inbox shows of a message: fields, parts, and HTML that can do nothing."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from cb_mail.lint import Part, lint, parts_of
from cb_mail.receiving import Received

__all__ = ["View"]


@dataclass(frozen=True, slots=True)
class View:
    """A message, read."""

    number: str
    message: Received
    parts: tuple[Part, ...]
    fields: dict[str, str]

    @classmethod
    def of(cls, number: str, message: Received) -> View:
        """Read a message; one that cannot be read whole is shown as far as it goes."""
        parsed = email.message_from_bytes(message.data, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        fields = {
            name: _field(parsed, name) for name in ("From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID")
        }
        return cls(number, message, tuple(parts_of(message.data)), fields)

    @property
    def subject(self) -> str:
        """The subject, or what stands for none."""
        return self.fields["Subject"] or "(no subject)"

    @property
    def text(self) -> str | None:
        """The text version."""
        return self._body("text/plain")

    @property
    def html(self) -> str | None:
        """The HTML version, its images at the addresses where the inbox has them."""
        html = self._body("text/html")
        if html is None:
            return None
        for index, part in enumerate(self.parts):
            if part.content_id:
                html = html.replace(f"cid:{part.content_id}", f"/message/{self.number}/part/{index}")
        return html

    @property
    def files(self) -> list[tuple[int, Part]]:
        """The attachments, with their places among the parts."""
        return [(index, part) for index, part in enumerate(self.parts) if part.name]

    def as_json(self, *, whole: bool) -> dict[str, Any]:
        """Return it for the API."""
        short = {
            "id": self.number,
            "sender": self.message.sender,
            "recipients": list(self.message.recipients),
            "subject": self.fields["Subject"],
            "when": self.message.when.isoformat(),
            "size": len(self.message.data),
        }
        if not whole:
            return short
        files = [
            {"part": index, "name": part.name, "content_type": part.content_type, "size": part.size}
            for index, part in self.files
        ]
        return {
            **short,
            "headers": self.fields,
            "text": self.text,
            "html": self._body("text/html"),
            "attachments": files,
            "warnings": lint(self.message.data),
            "user": self.message.user,
            "tls": self.message.tls,
        }

    def _body(self, kind: str) -> str | None:
        part = next((part for part in self.parts if part.content_type == kind and not part.name), None)
        return None if part is None else part.data.decode("utf-8", "replace").replace("\r\n", "\n")


def _field(message: EmailMessage, name: str) -> str:
    try:
        return str(message[name] or "")
    except Exception as error:  # noqa: BLE001 - whatever the standard library makes of a broken header, it is shown
        return f"(cannot be read: {error})"
