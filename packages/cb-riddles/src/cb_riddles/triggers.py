"""What the database does by itself, in the transaction that changes something: it counts, and moves the revision.

Triggers see what signals do not: ``update()``, ``bulk_create()``, imports, SQL by hand, other programs. They are set
after each ``migrate`` and ``flush``, for on SQLite a migration that alters a table drops them.

The revision's number is a random one: neither a rollback nor a restored backup can bring back one that some server
knows with other contents. On PostgreSQL it is moved before the rows of a statement are locked, so that two authors
wait for each other and never in a circle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT: tuple[str, ...] = ("riddles_riddle", "riddles_option", "riddles_category")
EVENTS: tuple[str, ...] = ("INSERT", "UPDATE", "DELETE")
VENDORS: tuple[str, ...] = ("sqlite", "postgresql")

_ADD = """
INSERT INTO riddles_tally (riddle_id, answers, correct)
  VALUES (NEW.riddle_id, 1, CASE WHEN NEW.correct THEN 1 ELSE 0 END)
  ON CONFLICT (riddle_id) DO UPDATE
  SET answers = riddles_tally.answers + 1, correct = riddles_tally.correct + excluded.correct;
INSERT INTO riddles_score (player, solved) SELECT NEW.player, 1 WHERE NEW.scored AND substr(NEW.player, 1, 1) = 'u'
  ON CONFLICT (player) DO UPDATE SET solved = riddles_score.solved + 1;
"""
_TAKE = """
UPDATE riddles_tally SET answers = answers - 1, correct = correct - CASE WHEN OLD.correct THEN 1 ELSE 0 END
  WHERE riddle_id = OLD.riddle_id;
UPDATE riddles_score SET solved = solved - 1 WHERE OLD.scored AND player = OLD.player;
"""
_BODY = {"INSERT": _ADD, "UPDATE": _TAKE + _ADD, "DELETE": _TAKE}
_RECOUNT = """
DELETE FROM riddles_tally;
DELETE FROM riddles_score;
INSERT INTO riddles_tally (riddle_id, answers, correct)
  SELECT riddle_id, count(*), sum(CASE WHEN correct THEN 1 ELSE 0 END) FROM riddles_attempt GROUP BY riddle_id;
INSERT INTO riddles_score (player, solved)
  SELECT player, count(*) FROM riddles_attempt WHERE scored AND substr(player, 1, 1) = 'u' GROUP BY player;
"""
_BEGIN = {
    "sqlite": "INSERT INTO riddles_revision (token) VALUES (random())",
    "postgresql": "INSERT INTO riddles_revision (token) VALUES ((random() * 9007199254740991)::bigint)",
}
_MOVE = {
    "sqlite": "UPDATE riddles_revision SET token = random();",
    "postgresql": "UPDATE riddles_revision SET token = (random() * 9007199254740991)::bigint;",
}


def install(using: str = "default", **_: Any) -> None:
    """Set the triggers, and count what is there where none were; called after ``migrate`` and ``flush``."""
    connection = connections[using]
    if connection.vendor not in VENDORS or "riddles_revision" not in connection.introspection.table_names():
        return
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for statement in _sqlite() if connection.vendor == "sqlite" else _postgresql():
            cursor.execute(statement)
        cursor.execute("SELECT 1 FROM riddles_revision")
        if cursor.fetchone() is None:
            for statement in _RECOUNT.split(";\n"):
                if statement.strip():
                    cursor.execute(statement)
            cursor.execute(_BEGIN[connection.vendor])


def _sqlite() -> Iterator[str]:
    for table in CONTENT:
        for event in EVENTS:
            name = f"{table}_revised_{event.lower()}"
            yield f"DROP TRIGGER IF EXISTS {name}"
            yield f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {_MOVE['sqlite']} END"
    for event in EVENTS:
        name = f"riddles_attempt_counted_{event.lower()}"
        yield f"DROP TRIGGER IF EXISTS {name}"
        yield f"CREATE TRIGGER {name} AFTER {event} ON riddles_attempt BEGIN {_BODY[event]} END"


def _postgresql() -> Iterator[str]:
    count = f"IF TG_OP <> 'INSERT' THEN {_TAKE} END IF; IF TG_OP <> 'DELETE' THEN {_ADD} END IF;"
    for name, body in (("riddles_revise", _MOVE["postgresql"]), ("riddles_count", count)):
        yield (
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql "
            f"AS $$ BEGIN {body} RETURN NULL; END $$"
        )
    for table in CONTENT:
        yield f"DROP TRIGGER IF EXISTS {table}_revised ON {table}"
        yield (
            f"CREATE TRIGGER {table}_revised BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION riddles_revise()"
        )
    yield "DROP TRIGGER IF EXISTS riddles_attempt_counted ON riddles_attempt"
    yield (
        "CREATE TRIGGER riddles_attempt_counted AFTER INSERT OR UPDATE OR DELETE ON riddles_attempt "
        "FOR EACH ROW EXECUTE FUNCTION riddles_count()"
    )
