"""The chapter's recipes, in its order, by the command and by the library."""

from __future__ import annotations

import inspect
import json
import subprocess
from pathlib import Path
from typing import Any

import cb_dict as cd
import forked
import pytest
from cb_dict.recipes import RECIPES, example

PRODUCT = "description: WCG E-Book, price: 2.75, sold: {}, stock: {}"
NOT_THERE = "this_one_does_not_exist: no key 'this_one_does_not_exist' in the document"
PRINTS: dict[str, list[str]] = {
    "read": [
        "['dog', 'cat', 'fish']",
        "1",
        f"PathError: {NOT_THERE} (there are: animals, a_number, a_name, a_boolean, another_dict)",
    ],
    "default": [
        "['dog', 'cat', 'fish']",
        "1",
        "KeyError",
        "['dog', 'cat', 'fish']",
        "1",
        "None",
        "oops, key not found",
    ],
    "write": ["it exists now", "False", "Key was not found"],
    "has": ["Sebastian", "21", "Address was not present"],
    "keys": ["['name', 'age']", "expected 2 keys. got 3"],
    "items": ["name: Sebastian", "last_name: Vinci", "age: 21"],
    "sorted": ["age: 21", "last_name: Vinci", "name: Sebastian"],
    "pairs": [
        "name: Sebastian",
        "last_name: Vinci",
        "age: 21",
        "TypeError: 'tuple' object does not support item assignment",
    ],
    "update": [PRODUCT.format(1500, 5700), PRODUCT.format(1600, 5600)],
    "copy": [
        "my age: 21, my clone's age: 22",
        "my name: Michael, my clone's name: Michael",
        "my age: 21, my clone's age: 22",
        "my name: Sebastian, my clone's name: Michael",
    ],
}


def run(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command, as a user runs it."""
    done = forked.run("cb_dict", arguments, data=(text or "").encode())
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_prints_what_the_chapter_shows(name: str) -> None:
    """all: each recipe prints the chapter's lines, in its corrected form."""
    assert list(RECIPES[name]()) == PRINTS[name]


def test_the_command_runs_recipes() -> None:
    """all: ``recipes NAME`` prints the same, ``--source`` the code before it, and nothing lists them."""
    assert run("recipes", "update").stdout.splitlines() == PRINTS["update"]
    shown = run("recipes", "update", "--source").stdout
    assert shown.startswith("def update()")
    assert shown.endswith("\n".join(PRINTS["update"]) + "\n")
    assert [line.split()[0] for line in run("recipes").stdout.splitlines()] == list(PRINTS)
    assert run("recipes", "nothing").returncode == 2
    assert all(inspect.getdoc(recipe) for recipe in RECIPES.values())


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The chapter's dictionary in a file."""
    made = tmp_path / "example.json"
    made.write_text(json.dumps(example(), indent=4))
    return str(made)


def test_read_and_default(file: str) -> None:
    """6.2 read a key, with and without a default.

    ``get`` prints a value, ends with 1 where nothing is, or prints the default.
    """
    assert run("get", "-r", file, "a_name").stdout == "Sebastian\n"
    missing = run("get", file, "this_one_does_not_exist")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert NOT_THERE in missing.stderr
    assert run("get", "-r", file, "x", "--default", "oops, key not found").stdout == "oops, key not found\n"


def test_write(file: str) -> None:
    """6.3 create, update, delete.

    ``set`` creates and updates, ``delete`` deletes, and the file is in the end as it was, but for the update.
    """
    before = Path(file).read_text()
    assert run("set", "-i", file, "this_one_does_not_exist", "it exists now", "a_boolean", "false").returncode == 0
    assert json.loads(Path(file).read_text())["this_one_does_not_exist"] == "it exists now"
    assert run("delete", "-i", file, "this_one_does_not_exist").returncode == 0
    assert Path(file).read_text() == before.replace("true", "false")


def test_has_keys_len_items(file: str) -> None:
    """6.4 is it there, which keys, how many, sorted: the questions of the chapter, by their commands."""
    assert [run("has", file, key).returncode for key in ("a_name", "address")] == [0, 1]
    assert run("keys", file).stdout.split() == list(example())
    assert run("len", file).stdout == "5\n"
    assert run("values", file, "animals").stdout.split() == ["dog", "cat", "fish"]
    assert run("items", file, "another_dict", "--sort").stdout == "like this: forever\nyou could: keep going\n"
    assert run("type", file, "animals").stdout == "array\n"


def test_update(tmp_path: Path) -> None:
    """6.4.5 change several counters.

    ``add --times 100`` sells a hundred; with too little stock nothing is sold, and the status is 1.
    """
    file = tmp_path / "product.json"
    file.write_text('{"description": "WCG E-Book", "price": 2.75, "sold": 1500, "stock": 5700}')
    sell = ("add", "-i", str(file), "sold=1", "stock=-1", "--min", "stock=0", "--times")
    assert run(*sell, "100").returncode == 0
    assert file.read_text() == '{"description": "WCG E-Book", "price": 2.75, "sold": 1600, "stock": 5600}'
    refused = run(*sell, "5601")
    assert refused.returncode == 1
    assert "stock: 5600 - 5601 is below its minimum of 0" in refused.stderr
    assert json.loads(file.read_text())["sold"] == 1600


def test_copies_share_or_do_not() -> None:
    """6.4.6 copies: a merge shares what it did not change, a deep copy shares nothing."""
    me: dict[str, Any] = {"name": {"first": "Sebastian"}, "age": 21}
    assert cd.merge(me, {"age": 22})["name"] is me["name"]
    assert cd.deepcopy(me)["name"] is not me["name"]
