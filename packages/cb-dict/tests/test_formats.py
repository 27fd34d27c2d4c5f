"""JSON Lines, JSONC, YAML and TOML: what they have that JSON has not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cb_dict as cd
import pytest
from cb_dict import Document, EditRefused, ParseError, PathError

CONFIG = """\
# The service
name:   app      # shown
port: 010
ssl: no

base: &base {retries: 3, hosts: [a, b]}
prod:
  <<: *base
  url: 'http://x'   # quoted

  notes: |
    one
    # two
steps:
- run: test
  with:
    - a
- run: deploy
copy: *base
"""


def yaml(where: str, value: Any = None, *, delete: bool = False) -> list[str]:
    """The lines that one change changes, old ones with -, new ones with +."""
    import difflib

    document = Document(CONFIG.encode(), format="yaml")
    document.delete(where) if delete else document.set(where, value)
    lines = difflib.unified_diff(CONFIG.splitlines(), bytes(document).decode().splitlines(), n=0, lineterm="")
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


@pytest.mark.parametrize(
    ("where", "value", "lines"),
    [
        ("name", "web", ["-name:   app      # shown", "+name:   web      # shown"]),
        ("ssl", True, ["-ssl: no", "+ssl: true"]),
        ("prod.url", "http://y", ["-  url: 'http://x'   # quoted", "+  url: 'http://y'   # quoted"]),
        ("prod.notes", "one\nthree\n", ["-    # two", "+    three"]),
        ("prod.retries", 5, ["+  retries: 5"]),
        ("steps[1].run", "ship it: now", ["-- run: deploy", "+- run: 'ship it: now'"]),
        ("steps[0].with.-", "b", ["+    - b"]),
        ("steps.-", {"run": "x", "if": "no"}, ["+- run: x", "+  if: 'no'"]),
        ("steps[0].with", [], ["-  with:", "-    - a", "+  with: []"]),
        ("steps[0].with", {"k": 1}, ["-    - a", "+    k: 1"]),
    ],
)
def test_yaml_lines(where: str, value: Any, lines: list[str]) -> None:
    """Comments, quotes, blank lines and the layout of other lines stay."""
    assert yaml(where, value) == lines


def test_yaml_lines_that_go() -> None:
    """A key goes with its line, and with what is below it; the last one below leaves an empty list."""
    assert yaml("ssl", delete=True) == ["-ssl: no"]
    assert yaml("steps[0]", delete=True) == ["-- run: test", "-  with:", "-    - a"]
    assert yaml("steps[0].with[0]", delete=True) == ["-  with:", "-    - a", "+  with: []"]
    assert yaml("steps[0].run", delete=True) == ["-- run: test", "-  with:", "+- with:"]


@pytest.mark.parametrize(
    ("where", "words"), [("copy.retries", "alias"), ("base", "anchor"), ("base.hosts.-", "layout|more|anchor")]
)
def test_yaml_that_is_refused(where: str, words: str) -> None:
    """What would change another place too, or lose an anchor, is refused with the reason."""
    with pytest.raises(EditRefused, match=words):
        yaml(where, 1)


def test_yaml_values() -> None:
    """The core schema of YAML 1.2: no is text and 010 ten. Aliases and merge keys are followed."""
    found = Document(CONFIG.encode(), format="yaml").get()
    assert (found["ssl"], found["port"]) == ("no", 10)
    assert found["prod"]["retries"] == found["copy"]["retries"] == 3
    assert Document(b"[0x1f, 0o17, .inf, -.INF, ~, !!float 1, !x y, 1e3, 2020-01-01]", format="yaml").get() == [
        31,
        15,
        float("inf"),
        float("-inf"),
        None,
        1.0,
        "y",
        1000.0,
        "2020-01-01",
    ]


@pytest.mark.parametrize(
    ("form", "text"),
    [("json", b'[{"a": 1}, {"b": 2}]'), ("jsonl", b'{"a": 1}\n{"b": 2}\n'), ("yaml", b"- a: 1\n- b: 2\n")],
)
def test_has_is_the_same_in_every_format(form: Any, text: bytes) -> None:
    """With ``[*]`` one element is enough; what others lack does not count."""
    document = Document(text, format=form)
    assert [document.has(where) for where in ("[*].a", "[*].c", "[0].a", "[1].a", "[2]", "")] == [
        *(True, False, True, False, False, True)
    ]


def test_yaml_by_a_patch() -> None:
    """Elements go in before others, in block and in flow; what does not fit changes nothing."""
    text = b"a:\n  - x: 1\n  - y\nf: [1, 2]\ne: {}\n"
    document = Document(text, format="yaml")
    document.patch(
        [
            {"op": "add", "path": "/a/1", "value": {"k": [1]}},
            {"op": "add", "path": "/f/0", "value": "no"},
            {"op": "add", "path": "/e/k", "value": 1},
            {"op": "copy", "from": "/f", "path": "/g"},
        ]
    )
    assert document.get() == {"a": [{"x": 1}, {"k": [1]}, "y"], "f": ["no", 1, 2], "e": {"k": 1}, "g": ["no", 1, 2]}
    document.delete("g")
    assert bytes(document) == b"a:\n  - x: 1\n  - k:\n      - 1\n  - y\nf: ['no', 1, 2]\ne: {k: 1}\n"
    for where in ("f.x", "a[1].k.x", "a[7]", "f[0].x"):
        with pytest.raises((PathError, cd.TypeMismatch)):
            document.set(where, 1)
    with pytest.raises(PathError):
        document.delete("")


def test_a_key_over_a_merged_one() -> None:
    """Deleting a key that hides a merged one leaves the merged one."""
    document = Document(b"b: &b {x: 1}\nc:\n  <<: *b\n  x: 2\n  y: 3\n", format="yaml")
    with pytest.raises(EditRefused):
        document.delete("c.x")  # it would still be there
    assert document.get("c") == {"x": 2, "y": 3}


def test_counters_in_a_text_are_all_or_none() -> None:
    """When one of the places cannot be written, none is."""
    document = Document(b'{"n": 1, "l": []}')
    with pytest.raises(PathError):
        document.add({"n": 1, "l[3]": 1})
    assert (bytes(document), document.changed) == (b'{"n": 1, "l": []}', False)
    assert document.get("l[*]") == []
    assert document.get("x[*]", None) is None


def test_several_yaml_documents() -> None:
    """A stream is a list of its documents, each of which can be changed."""
    document = Document(b"a: 1\n---\na: 2\n", format="yaml")
    document.set("[1].a", 3)
    assert bytes(document) == b"a: 1\n---\na: 3\n"
    for change in (lambda: document.delete("[0]"), lambda: document.set("-", {})):
        with pytest.raises(EditRefused):
            change()
    with pytest.raises(PathError):
        document.get("a")


@pytest.mark.parametrize(
    ("form", "text", "place"),
    [
        ("yaml", b"a: [1\nb: 2", "2:2"),
        ("yaml", b"a: \xff", "1:1"),
        ("yaml", b"? [a]\n: 1", "1:3"),
        ("toml", b"a = 1\nb = ", "2:5"),
        ("toml", b"a = \xff", "1:1"),
        ("toml", b"a = [1", "1:7"),
        ("jsonc", b'{"a": 1 /* x', "1:9"),
        ("jsonl", b'{"a": 1}\n\n{"a": }\n', "3:7"),
    ],
)
def test_places_of_errors(form: Any, text: bytes, place: str) -> None:
    """Every format says line and column of what is wrong."""
    with pytest.raises(ParseError) as caught:
        Document(text, format=form).get()
    assert str(caught.value).startswith(f"-:{place}: ")


def test_toml() -> None:
    """A value changes in its line; null is refused, and an index that is not there."""
    text = b"# top\n[a]\nx   = 0x1F # hex\ny = 'lit'\nl = [1, 2]\n"
    document = Document(text, format="toml")
    document.set("a.x", 32)
    document.set("a.l.-", 3)
    document.add({"a.x": 1})
    assert bytes(document) == b"# top\n[a]\nx   = 33 # hex\ny = 'lit'\nl = [1, 2, 3]\n"
    for where, value in (("a.z", None), ("a.l[7]", 1), ("a.y.z", 1), ("", {})):
        with pytest.raises(cd.CbDictError):
            document.set(where, value)
    document.delete("a.y")
    assert b"lit" not in bytes(document)
    with pytest.raises(PathError):
        document.delete("")


def test_json_lines() -> None:
    """The first step is the line; other lines are not looked at; records are added, replaced and removed."""
    document = Document(b'{"a": 1.50}\nnot json\n\n{"a": 2}', format="jsonl")
    document.set("[2].a", 3)
    document.set("-", {"a": 4})
    document.set("[0].b", [1])
    assert bytes(document) == b'{"a": 1.50, "b": [1]}\nnot json\n\n{"a": 3}\n{"a":4}'
    document.delete("[1]")
    document.set("[0]", 0)
    document.patch([{"op": "add", "path": "/1", "value": 5}, {"op": "remove", "path": "/2/a"}])
    assert bytes(document) == b'0\n\n5\n{}\n{"a":4}'
    for where in ("[9]", "x", "[9].a"):
        with pytest.raises(PathError):
            document.get(where)
    with pytest.raises(PathError):
        document.delete("")


@pytest.mark.parametrize(
    ("text", "where", "value", "made"),
    [
        (b"{}", "a", {"b": 1}, b'{"a": {"b": 1}}'),
        (b'{"a":1}', "b", {"c": 2}, b'{"a":1,"b":{"c":2}}'),
        (b'{\n\t"a": []\n}', "a.-", {"b": 1}, b'{\n\t"a": [\n\t\t{\n\t\t\t"b": 1\n\t\t}\n\t]\n}'),
        (b'{"a\\"b": 1, "c": 2}', "c", 3, b'{"a\\"b": 1, "c": 3}'),
        (b"[1]", "-", 2, b"[1, 2]"),
        (b' "x" ', "", [1], b" [1] "),
        (b"{ // none\n}", "a", 1, b'{ // none\n"a": 1\n}'),
        (b'{"a": 1, // one\n}', "b", 2, b'{"a": 1, // one\n "b": 2,\n}'),
    ],
)
def test_json_layout(text: bytes, where: str, value: Any, made: bytes) -> None:
    """New text looks like what stands around it."""
    document = Document(text, format="jsonc")
    document.set(where, value)
    assert bytes(document) == made


@pytest.mark.parametrize("where", ["a.b", "l[3]", "l.x", "[*]", "n[0].x", "n.x[0]"])
def test_places_that_cannot_be_set(where: str) -> None:
    """A text is left as it was when a place cannot be made."""
    text = b'{"a": "text", "l": [1], "n": {}}'
    document = Document(text)
    with pytest.raises((PathError, cd.TypeMismatch)):
        document.set(where, 1)
    with pytest.raises(PathError):
        document.set("n.x.y", 1, create=False)
    document.delete("zz", missing_ok=True)
    assert bytes(document) == text


@pytest.mark.parametrize(
    ("module", "name", "words"), [("yaml", "a.yaml", "cb-dict[yaml]"), ("tomlkit", "a.toml", "cb-dict[toml]")]
)
def test_a_missing_extra_says_how_to_install_it(tmp_path: Path, module: str, name: str, words: str) -> None:
    """Without the library of a format: one line with the command, status 4."""
    (tmp_path / name).write_text("a: 1" if module == "yaml" else "a = 1")
    program = f"import sys; sys.modules[{module!r}] = None\nfrom cb_dict.__main__ import main\nmain()"
    for command in (["set", name, "b", "2"], ["convert", name, "-t", name[2:]]):
        done = subprocess.run(
            [sys.executable, "-c", program, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 4
        assert words in done.stderr


def test_what_a_format_cannot_hold() -> None:
    """Null in TOML, a list as its document, a set in JSON."""
    from cb_dict.formats import dumps

    for value, form in (({"a": None}, "toml"), ([1], "toml"), ({"a": object()}, "json")):
        with pytest.raises(cd.TypeMismatch):
            dumps(value, form)  # type: ignore[arg-type]
    assert dumps([], "yaml") == b"[]\n"
    assert dumps([[1], {"a": {"b": []}}], "yaml") == b"- - 1\n- a:\n    b: []\n"
    assert (
        dumps({"a": [float("nan"), float("-inf"), "é", "\x85"]}, "yaml").decode()
        == 'a:\n  - .nan\n  - -.inf\n  - "é"\n  - "\\u0085"\n'
    )


FOUR: list[tuple[Any, bytes]] = [
    ("json", b'{"a": [{"b": 1}, {}], "s": 5, "n": {"l": [{"x": []}]}}'),
    ("jsonc", b'{"a": [{"b": 1}, {}], "s": 5, /* */ "n": {"l": [{"x": []}]}}'),
    ("yaml", b"a: [{b: 1}, {}]\ns: 5\nn: {l: [{x: []}]}\n"),
    ("toml", b"a = [{b = 1}, {}]\ns = 5\nn = {l = [{x = []}]}\n"),
]


@pytest.mark.parametrize(("form", "text"), FOUR)
def test_every_element_is_the_same_in_every_format(form: Any, text: bytes) -> None:
    """``[*]`` passes over what lacks the rest, a default stands for it; if nothing matches, that is an error."""
    document = Document(text, format=form)
    value = document.get()

    def raw(where: str, *default: Any) -> list[bytes]:
        return [bytes(one) for one in document.raw(where, *default)]

    for get in (document.get, lambda *arguments: cd.get(value, *arguments)):
        assert get("a[*].b") == [1]
        assert get("a[*].b", 0) == [1, 0]
        assert get("n.l[*].x[*]") == []
        assert get("a[*][*]") == [1]
        assert get("x[*].b", 0) == 0
        with pytest.raises(PathError, match=r"^a\[0\]\.c: no key 'c' in a\[0\]"):
            get("a[*].c")
        with pytest.raises(PathError, match=r"^x: no key 'x' in the document"):
            get("x[*].b")
        with pytest.raises(cd.TypeMismatch, match="s is number"):
            get("s[*]")
    assert (raw("a[*].b"), raw("a[*].b", 0), raw("a[*].c", 0)) == ([b"1"], [b"1", b"0"], [b"0", b"0"])
    assert (raw("x[*].b", 0), raw("n.l[*].x[*]"), raw("x", 0)) == ([b"0"], [], [b"0"])
    assert raw("a[*][*]", 0) == raw("a[*][*]") == [b"1"]
    assert raw("n[*][*][*][*]", 0) == []
    assert raw("n[*].l.x[*]", 0) == raw("a[0][*][*]", 0) == [b"0"]
    for where in ("a[*].c", "x[*].b", "s[*]"):
        with pytest.raises(cd.CbDictError):
            raw(where)
        assert not document.has(where)
        assert not cd.has(value, where)
    assert document.shape("a[*]") == "array"


@pytest.mark.parametrize(
    ("text", "where", "value", "made"),
    [
        (b"a:\n- 1\n- 2\nb: 3\n", "a", {"x": 1}, b"a:\n  x: 1\nb: 3\n"),
        (b"o:\n  a:\n  - 1\n", "o.a", {"x": 1}, b"o:\n  a:\n    x: 1\n"),
        (b"- # a - b\n  x: 1\n- y\n", "-", 2, b"- # a - b\n  x: 1\n- y\n- 2\n"),
        (b"a: >\n  one\n  two\nb: 1\n", "a", "three\n", b'a: "three\\n"\nb: 1\n'),
        (b"# nothing yet\n", "a.b", 5, b"# nothing yet\na:\n  b: 5\n"),
        (b"# nothing yet", "a", [], b"# nothing yet\na: []\n"),
        (b"", "a", 5, b"a: 5\n"),
        (b"---\n", "a", 5, b"--- {a: 5}\n"),
        (b"a: 1\n---\n---\nb: 1\n", "[1]", 5, b"a: 1\n--- 5\n---\nb: 1\n"),
        (b"null # yet\n", "a", 5, b"{a: 5} # yet\n"),
        (b"a: |-\n  one\n", "a", " lead", b'a: " lead"\n'),
    ],
)
def test_yaml_layouts(text: bytes, where: str, value: Any, made: bytes) -> None:
    """Lists at the level of their key, dashes in comments, folded text, a file with a comment alone."""
    document = Document(text, format="yaml")
    document.set(where, value)
    assert bytes(document) == made
    assert document.get(where.replace("-", "[-1]")) == value


def test_an_element_goes_in_before_a_commented_one() -> None:
    """The dash of an element is the one that is no part of a comment."""
    document = Document(b"- # a - b\n  x\n- y\n", format="yaml")
    document.patch([{"op": "add", "path": "/0", "value": 1}])
    assert bytes(document) == b"- 1\n- # a - b\n  x\n- y\n"


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        (b"a: 1\rb: 2\r", "c", "goes on after the value"),
        (b"a: 1\rb: 2\r", "/b", "layout"),
        (b"b: &b {x: {y: 1}}\nc:\n  <<: *b\n", "c.x.y", "merged in by <<"),
        (b"a: &x [1]\nl:\n  - *x\n  - 2\n", "/l/0", "alias of line 1"),
        (b"a: &x\n  b: 1\nc: *x\n", "", "layout"),
    ],
)
def test_yaml_that_is_refused_unharmed(text: bytes, where: str, words: str) -> None:
    """Carriage returns as line ends, values that are merged in, aliases: the reason is said, nothing has changed."""
    document = Document(text, format="yaml")
    added = {"op": "add", "path": "/l/0", "value": 1}
    act = {"/b": lambda: document.delete("b"), "/l/0": lambda: document.patch([added])}
    with pytest.raises(EditRefused, match=words):
        act.get(where, lambda: document.set(where, " lead"))()
    assert bytes(document) == text


def test_a_number_is_no_key_of_a_yaml_mapping() -> None:
    """An index into a mapping that has no such number makes nothing."""
    with pytest.raises(cd.TypeMismatch, match="m is object and cannot hold 0"):
        Document(b"m: {a: 1}\n", format="yaml").set("m[0]", 1)


def test_the_collector_is_left_as_it_was() -> None:
    """Reading YAML holds the garbage collector up, and does not start one that was off."""
    import gc

    assert gc.isenabled()
    Document(b"a: 1", format="yaml").get()
    assert gc.isenabled()
    gc.disable()
    try:
        Document(b"a: 1", format="yaml").get()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_json_with_long_lines() -> None:
    """The indentation of a line is found however far away its start is."""
    text = b'{\n  "a": "' + b"x" * 5000 + b'", "b": {}\n}'
    document = Document(text)
    document.set("b.c", 1)
    assert bytes(document) == text.replace(b"{}", b'{\n    "c": 1\n  }')
