"""The documents that are measured: events as an API gives them, and one value at the very end."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

SEED = 5


def event(random_: random.Random, number: int) -> dict[str, Any]:
    """One record of some 600 bytes."""
    return {
        "id": number,
        "type": random_.choice(["PushEvent", "WatchEvent", "ForkEvent"]),
        "actor": {"id": random_.randrange(10**7), "login": f"user{random_.randrange(10**5)}", "name": "Zoé"},
        "repo": {"id": random_.randrange(10**8), "name": f"org{number % 977}/repo{number}"},
        "payload": {
            "size": random_.randrange(9),
            "commits": [{"sha": f"{random_.getrandbits(160):040x}", "message": 'fix "x" ' * random_.randrange(12)}],
        },
        "score": random_.random() * 100,
        "public": True,
        "created_at": "2026-01-02T03:04:05Z",
    }


def write(file: Path, size: int) -> Path:
    """A file of *size* bytes, made once."""
    if not file.exists():
        random_ = random.Random(SEED)
        written = number = 0
        with file.open("w") as out:
            out.write('{"meta": {"version": 1}, "events": [\n')
            while written < size:
                record = ("" if number == 0 else ",\n") + json.dumps(event(random_, number), ensure_ascii=False)
                written += out.write(record)
                number += 1
            out.write('],\n"tail": {"checksum": {"sha256": "abc123", "n": 5}}}\n')
    return file
