"""The commands on JSON Lines, start-up included: time, peak memory, and whether the output is right."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

from memory import peak

ORJSON_OMIT = """
import sys, orjson
out = sys.stdout.buffer
for line in sys.stdin.buffer:
    record = orjson.loads(line)
    record.pop("salt", None); record.pop("hashed_password", None)
    out.write(orjson.dumps(record)); out.write(b"\\n")
"""
OMIT = {
    "cb-map": ["cb-map", "omit", "salt,hashed_password"],
    "jq": ["jq", "-c", "del(.salt,.hashed_password)"],
    "gojq": ["gojq", "-c", "del(.salt,.hashed_password)"],
    "Miller": ["mlr", "--ijsonl", "--ojsonl", "cut", "-x", "-f", "salt,hashed_password"],
    "orjson loop": [sys.executable, "-c", ORJSON_OMIT],
    "jello": [
        sys.executable,
        "-m",
        "jello",
        "-cl",
        "[{k: v for k, v in r.items() if k not in ('salt', 'hashed_password')} for r in _]",
    ],
}
PICK = {
    "cb-map": ["cb-map", "pick", "id,name"],
    "jq": ["jq", "-c", "{id,name}"],
    "gojq": ["gojq", "-c", "{id,name}"],
    "Miller": ["mlr", "--ijsonl", "--ojsonl", "cut", "-o", "-f", "id,name"],
}


def install(folder: Path) -> None:
    """Put ``cb-map`` on the PATH, with nothing beside it but what it needs: that decides how soon it starts."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    for name in ("cb_map", "click", "msgspec"):
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        shutil.copytree(Path(found.origin).parent, packages / name)
    command = folder / "bin" / "cb-map"
    command.write_text(f"#!{folder}/bin/python\nfrom cb_map.__main__ import main\nmain()\n")
    command.chmod(0o755)
    os.environ["PATH"] = f"{command.parent}{os.pathsep}{os.environ['PATH']}"


def make(path: Path, megabytes: int) -> None:
    """User records, as an authentication service has them."""
    source = random.Random(1)
    number = 0
    with path.open("wb") as stream:
        while stream.tell() < megabytes * 1_000_000:
            number += 1
            record = {
                "id": number, "name": f"user {number} Grüße", "email": f"user{number}@example.org",
                "salt": f"{source.getrandbits(64):016x}", "hashed_password": f"{source.getrandbits(256):064x}",
                "active": number % 2 == 0, "logins": source.randrange(5000), "roles": ["reader", f"team-{number % 7}"],
                "address": {"street": f"Main Street {number}", "city": "Zürich", "zip": "8001"},
                "created": "2016-02-05T11:11:17Z",
            }  # fmt: skip
            stream.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def available(command: list[str]) -> bool:
    """Whether a peer is there."""
    if command[0] != sys.executable:
        return shutil.which(command[0]) is not None
    module = "jello" if "jello" in command else "orjson"
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def measure(command: list[str], source: Path, target: Path) -> float | None:
    """Seconds of a run, None where it failed."""
    with source.open("rb") as stdin, target.open("wb") as stdout:
        begin = time.perf_counter()
        done = subprocess.run(command, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, check=False)
        return time.perf_counter() - begin if done.returncode == 0 else None


def peak_of(command: list[str], source: Path) -> int:
    """Peak kB of a run that is not timed, looked at every millisecond."""
    most = 0
    with source.open("rb") as stdin:
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            most = max(most, peak(process.pid))
            time.sleep(0.001)
    return most


def same(one: Path, other: Path) -> bool:
    """Whether two outputs have the same records, values and order of fields."""
    with one.open() as left, other.open() as right:
        for a, b in zip(left, right, strict=False):
            if a != b and json.loads(a, object_pairs_hook=list) != json.loads(b, object_pairs_hook=list):
                return False
        return not left.read() and not right.read()
