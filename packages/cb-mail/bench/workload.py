"""What is sent: personalised mails of about 2 kB, text and HTML, with a name and a subject that are not ASCII."""

from __future__ import annotations

from typing import Any

SENDER = "Büro Zürich <office@example.com>"
SUBJECT = "Grüße an {{ name }}, Bestellung {{ id }}"
TEXT = "Liebe/r {{ name }},\n\n" + "Ihre Bestellung {{ id }} kommt in Kürze, wir danken für Ihr Vertrauen!\n" * 10
HTML = (
    "<html><body><p>Liebe/r <b>{{ name }}</b>,</p>\n"
    + "<p>Ihre Bestellung <i>{{ id }}</i> kommt in Kürze, wir danken für Ihr Vertrauen!</p>\n" * 9
    + "</body></html>\n"
)


def rows(count: int) -> list[dict[str, Any]]:
    return [{"name": f"Jörg Müller {n}", "mail": f"user{n}@example.org", "id": 4711 + n} for n in range(count)]


def filled(text: str, row: dict[str, Any]) -> str:
    """What everybody's own template engine would have made of it, for nothing."""
    return text.replace("{{ name }}", row["name"]).replace("{{ id }}", str(row["id"]))
