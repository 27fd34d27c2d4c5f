"""Documents written at random, with what they mean, for the tests of edits."""

from __future__ import annotations

import json
import random
from typing import Any

WORDS = ["name", "a b", "x.y", "é", "0", "no", "on:off", 'q"u', "", "-", "deep", "~", "/"]
SCALARS = ["0", "-12", "3.50", "1e5", "true", "false", "null", '"text"', '"é\\u00e9\\n"', '""', "123456789012345678901"]


def json_text(random_: random.Random, *, comments: bool = False, depth: int = 0) -> str:
    """JSON, or JSONC with *comments*, in any spacing: pretty, tight, or as it comes."""
    style = random_.choice(["lines", "tight", "wild"])
    newline = random_.choice(["\n", "\r\n"])

    def space() -> str:
        if style == "tight":
            return ""
        filler = random_.choice(["", " ", newline, "\t", "  "]) if style == "wild" else ""
        if comments and style == "wild" and random_.random() < 0.2:
            filler += random_.choice(["/* , ] */", f'// it\'s, "so" }}{newline}'])
        return filler

    def value(level: int) -> str:
        kind = random_.random()
        if level >= 3 or kind < 0.4:
            return random_.choice(SCALARS)
        keyed = kind < 0.7
        keys = random_.sample(WORDS, random_.randrange(4))
        members = []
        for key in keys:
            label = (
                json.dumps(key, ensure_ascii=random_.random() < 0.5) + space() + ":" + (space() or " ") if keyed else ""
            )
            members.append(label + value(level + 1))
        inner, outer = (newline + "  " * (level + 1), newline + "  " * level) if style == "lines" and keys else ("", "")
        comma = "," if comments and members and random_.random() < 0.3 else ""
        body = ("," + (inner or space())).join(one + space() for one in members)
        return (
            ("{" if keyed else "[") + (inner or space()) + body + comma + (outer or space()) + ("}" if keyed else "]")
        )

    return space() + value(depth) + space() + random_.choice(["", newline])


YAML_SCALARS = ["1", "-2.5", "true", "null", "plain text", "'it''s'", '"dq\\n"', "no", "2020-01-01", "~", "é", "''"]


def yaml_text(random_: random.Random) -> str:
    """A YAML mapping or sequence in block, with flow, comments, blank lines and literal text in it."""

    def comment() -> str:
        return random_.choice(["", "", "", "  # note", "  # it's: a [note]"])

    def flow(level: int) -> str:
        if level > 1 or random_.random() < 0.5:
            return random_.choice(YAML_SCALARS)
        if random_.random() < 0.5:
            return "[" + ", ".join(flow(level + 1) for _ in range(random_.randrange(4))) + "]"
        return "{" + ", ".join(f"{key}: {flow(level + 1)}" for key in random_.sample(NAMES, random_.randrange(3))) + "}"

    def block(indent: str, level: int) -> list[str]:
        lines: list[str] = []
        keyed = random_.random() < 0.6
        for key in random_.sample(NAMES, random_.randrange(1, 4)):
            if random_.random() < 0.15:
                lines += [f"{indent}# about {key}"]
            if random_.random() < 0.1:
                lines.append("")
            head = f"{indent}{key}:" if keyed else f"{indent}-"
            kind = random_.random()
            if level < 3 and kind < 0.35:
                below = block(indent + "  ", level + 1)
                if keyed or below[0].strip()[:1] in ("#", ""):
                    lines += [head + comment(), *below]
                else:
                    lines += [head + " " + below[0].strip(), *below[1:]]
            elif keyed and kind < 0.42:
                lines += [head + " |", f"{indent}  line: one", f"{indent}  # two"]
            elif kind < 0.47:
                lines.append(head + comment())
            else:
                lines.append(f"{head} {flow(0)}{comment()}")
        return lines

    newline = random_.choice(["\n", "\n", "\r\n"])
    return newline.join(block("", 0)) + random_.choice(["", newline, newline + "# end" + newline])


NAMES = ["name", "port", "x-y", "é", "a_b", '"q.r"', "host", "k9"]


def toml_text(random_: random.Random) -> str:
    """A TOML document with tables, arrays of tables, inline tables, comments and strange spacing."""

    def scalar() -> str:
        return random_.choice(
            ["1", "0x1F", "1_000", "-2.50", "true", '"text"', "'lit'", "2020-01-01", '"é"', "[1, 2]", "{a = 1}"]
        )

    def pairs() -> list[str]:
        names = random_.sample(["name", "port", "x-y", '"q.r"', "host"], random_.randrange(4))
        equals = random_.choice([" = ", "=", "   = "])
        return [f"{name}{equals}{scalar()}{random_.choice(['', '', '  # note'])}" for name in names]

    lines = ["# top", *pairs()]
    for table in random_.sample(["t", "u", "v.w"], random_.randrange(3)):
        lines += [random_.choice(["", "# about"]), f"[{table}]", *pairs()]
    for _ in range(random_.randrange(3)):
        lines += ["", "[[list]]", *pairs()]
    newline = random_.choice(["\n", "\r\n"])
    return newline.join(lines) + newline


def places(document: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a document but itself."""
    pairs = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    found = []
    for key, value in pairs:
        found += [(*before, key), *places(value, (*before, key))]
    return found


def kept(old: bytes, new: bytes) -> int:
    """How many bytes two texts have in common at the start and at the end."""
    most = min(len(old), len(new))
    start = next((at for at in range(most) if old[at] != new[at]), most)
    end = next((at for at in range(most - start) if old[-1 - at] != new[-1 - at]), most - start)
    return start + end
