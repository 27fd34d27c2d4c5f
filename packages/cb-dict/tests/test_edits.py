"""Edits of text at random: what is meant changes, and no byte besides."""

from __future__ import annotations

import json
import os
import random
import tomllib
from typing import Any

import pytest
from cb_dict import Document, EditRefused, Path, TypeMismatch, deepcopy, delete, get, same, set_
from dict_support import YAML_SCALARS, json_text, kept, places, toml_text, yaml_text

ROUNDS = 10_000 if os.environ.get("CB_FAULTS") == "full" else 400
NEW: list[Any] = [7, "new", None, True, 2.5, [], {}, [1, "two"], {"k": "v", "l": [None]}, "no", "a: b", "two\nlines\n"]


def edited(text: str, form: Any, how: str, where: Path, value: Any) -> tuple[Document, Any]:
    """The document with one change made to its text, and the same change made to its values."""
    document = Document(text.encode(), format=form)
    wanted = deepcopy(document.get())
    if how == "delete":
        document.delete(where)
        delete(wanted, where)
    else:
        document.set(where, value)
        set_(wanted, where, value)
    return document, wanted


def one_change(random_: random.Random, value: Any) -> tuple[str, Path] | None:
    """A change that can be made in a document of that value."""
    every = places(value)
    how = random_.choice(["set", "insert", "delete"])
    if how == "insert":
        holders = [one for one in [(), *every] if isinstance(get(value, one), (dict, list))]
        if not holders:
            return None
        holder = random_.choice(holders)
        return how, Path((*holder, "fresh" if isinstance(get(value, holder), dict) else "-"))
    return (how, Path(random_.choice(every))) if every else None


def is_part(one: bytes, other: bytes) -> bool:
    """Whether all bytes of *one* are in *other*, in their order."""
    rest = iter(other)
    return all(byte in rest for byte in one)


@pytest.mark.faults
@pytest.mark.parametrize("form", ["json", "jsonc"])
def test_json_edits_change_no_other_byte(form: str) -> None:
    """Whatever the spacing, comments and line ends: the value is the one meant, all old bytes are there."""
    random_ = random.Random(form)
    done = 0
    while done < ROUNDS:
        text = json_text(random_, comments=form == "jsonc")
        value = Document(text.encode(), format=form).get()  # type: ignore[arg-type]
        if (change := one_change(random_, value)) is None:
            continue
        done += 1
        how, where = change
        document, wanted = edited(text, form, how, where, random_.choice(NEW))
        new = bytes(document)
        assert same(document.get(), wanted), (text, how, where, new)
        if form == "json":
            assert same(json.loads(new), wanted)
        old = text.encode()
        if how == "set":
            size = len(bytes(Document(old, format=form).raw(where)[0]))  # type: ignore[arg-type]
            assert kept(old, new) >= len(old) - size, (text, where, new)
        elif how == "insert":
            holder = bytes(Document(old, format=form).raw(where[:-1])[0])  # type: ignore[arg-type]
            spaces = len(holder) - 2 if not holder[1:-1].strip() else 0
            if form == "json":
                assert kept(old, new) >= len(old) - spaces, (text, where, new)
            assert is_part(b"".join(old.split()), new), (text, where, new)
        elif form == "json":
            assert kept(old, new) >= len(new), (text, where, new)
        else:
            assert is_part(new, old), (text, where, new)


@pytest.mark.faults
def test_yaml_edits_change_no_other_byte() -> None:
    """Block and flow, comments, blank lines, literals: the value is the one meant, or the change is refused."""
    random_ = random.Random(1)
    done = refused = 0
    while done < ROUNDS:
        text = yaml_text(random_)
        value = Document(text.encode(), format="yaml").get()
        if (change := one_change(random_, value)) is None:
            continue
        done += 1
        how, where = change
        new_value = random_.choice(NEW)
        try:
            document, wanted = edited(text, "yaml", how, where, new_value)
        except EditRefused:
            refused += 1
            continue
        old, new = text.encode(), bytes(document)
        assert same(document.get(), wanted), (text, how, where, new)
        if how == "insert":
            assert kept(old, new) >= len(old), (text, where, new)
        elif how == "delete" and get(wanted, where[:-1]):
            assert kept(old, new) == len(new), (text, where, new)
        elif how == "set" and not isinstance(get(value, where), (dict, list)):
            size = max(len(one.encode()) for one in [*YAML_SCALARS, "|\r\n      line: one\r\n      # two"]) + 10
            assert kept(old, new) >= len(old) - size, (text, where, new)
            assert old.count(b"# note") == new.count(b"# note"), (text, where, new)
        assert old.count(b"\r\n") == old.count(b"\n") or new.count(b"\r\n") == 0
    assert refused <= done // 20, f"{refused} of {done} refused"


@pytest.mark.faults
def test_toml_edits_change_no_other_byte() -> None:
    """Tables, arrays of tables, inline tables: the value is the one meant, all bytes outside of it are there."""
    random_ = random.Random(2)
    done = refused = 0
    news = [one for one in NEW if one is not None and one != {"k": "v", "l": [None]}]
    while done < ROUNDS:
        text = toml_text(random_)
        value = tomllib.loads(text)
        if (change := one_change(random_, value)) is None:
            continue
        done += 1
        how, where = change
        try:
            document, wanted = edited(text, "toml", how, where, random_.choice(news))
        except (EditRefused, TypeMismatch):
            refused += 1
            continue
        old, new = text.encode(), bytes(document)
        assert same(tomllib.loads(new.decode()), wanted), (text, how, where, new)
        assert b"\r" not in old or new.count(b"\r\n") == new.count(b"\n"), (text, where, new)
        if how == "insert":
            assert kept(old, new) == len(old), (text, where, new)
        elif how == "delete" and where == ("list", 0) and not wanted["list"]:  # the last table of an array
            lines = iter(old.splitlines())
            rest = new.replace(b"list = []\r\n", b"").replace(b"list = []\n", b"")
            assert all(line in lines for line in rest.splitlines()), (text, where, new)  # in their order
        elif how == "delete":
            assert kept(old, new) == len(new), (text, where, new)
        elif spelt := inline_toml(text, where):
            assert kept(old, new) >= len(old) - len(spelt), (text, where, new)
        else:  # a table: what is not in it stays
            assert b"# top" in new
    assert refused <= done // 10, f"{refused} of {done} refused"


def inline_toml(text: str, where: Path) -> bytes:
    """How a value is spelt that stands in one line; nothing for a table."""
    import tomlkit.container
    import tomlkit.items

    found: Any = tomlkit.parse(text)
    for step in where:
        below = getattr(found, "value", found) if isinstance(found, tomlkit.items.AbstractTable) else found
        found = below.item(step) if isinstance(below, tomlkit.container.Container) else found[step]
    if isinstance(found, (tomlkit.items.Table, tomlkit.items.AoT)):
        return b""
    return str(found.as_string()).encode()
