"""lint: what it reports, and what it leaves alone."""

from __future__ import annotations

import pytest
from cb_subprocess import lint

HEAD = "import subprocess, os, shlex\nfrom subprocess import run as go, PIPE\nimport subprocess as sp\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("subprocess.run(f'du {x}', shell=True)", "shell-injection"),
        ("subprocess.call('du ' + x, shell=True)", "shell-injection"),
        ("sp.Popen('du %s' % x, shell=1)", "shell-injection"),
        ("go('du {}'.format(x), stdout=PIPE, shell=True)", "shell-injection"),
        ("go(args=' '.join(['du', x]), shell=True)", "shell-injection"),
        ("go(' '.join(x), shell=True)", "shell-injection"),
        ("go(x.join(['a']), shell=True)", "shell-injection"),
        ("go('{a}'.format(a=x), shell=True)", "shell-injection"),
        ("go('%s %s' % (quote(y), x), shell=True)", "shell-injection"),
        ("subprocess.getoutput(f'du {x}')", "shell-injection"),
        ("command = 'du '\ncommand += x\ngo(command, shell=True)", "shell-injection"),
        ("os.system('ls')", "os-system"),
        ("os.popen(cmd='ls')", "os-system"),
        ("go('ls -l')", "unsplit-command"),
        ("go(f'ls -l {x}')", "unsplit-command"),
        ("name = 'ls -l'\ngo(name)", "unsplit-command"),
        ("def f(", "syntax"),
        ("x = '\0'", "syntax"),
    ],
)
def test_what_is_found(line: str, code: str) -> None:
    """Each is found once, at its place."""
    found = lint(HEAD + line, "a.py")
    assert [one.code for one in found] == [code]
    assert str(found[0]).startswith(f"a.py:{found[0].line}:{found[0].column}: {code} ")
    assert found[0].column >= 1


def test_both() -> None:
    """os.system with built text is two findings."""
    assert [one.code for one in lint(HEAD + "os.system(f'rm {x}')")] == ["os-system", "shell-injection"]


@pytest.mark.parametrize(
    "line",
    [
        "subprocess.run('ls | wc -l', shell=True)",
        "subprocess.run('ls ' + '-l', shell=True)",
        "subprocess.run(['du', x])",
        "subprocess.run(x, shell=True)",
        "subprocess.run(f'du {shlex.quote(x)}', shell=True)",
        "subprocess.run('du ' + shlex.quote(x), shell=True)",
        "safe = shlex.quote(x)\nsubprocess.run('du {}'.format(safe), shell=True)",
        "subprocess.run(' '.join(shlex.quote(w) for w in x), shell=True)",
        "subprocess.run(' '.join(map(shlex.quote, x)), shell=True)",
        "subprocess.run(f'head -n {len(x)} file', shell=True)",
        "subprocess.run('ls -l', shell=flag)",
        "subprocess.run('ls')",
        "subprocess.run()",
        "run(f'du {x}', shell=True)",
        "self.system(f'du {x}')",
        "os.path.join(f'du {x}')",
        "def f(subprocess):\n    subprocess.run(f'du {x}', shell=True)",
        "name = name\nsubprocess.run(name, shell=True)",
        "a = lambda x: x\nx.y += 1",
    ],
)
def test_what_is_left_alone(line: str) -> None:
    """Constants, lists, quoted parts, other functions of the same names."""
    assert lint(HEAD + line) == []


def test_names_in_functions() -> None:
    """A name stands for what its own scope gave it."""
    source = (
        "command = 'ls'\ndef f(x):\n    command = f'du {x}'\n    go(command, shell=True)\ngo(command, shell=True)\n"
    )
    assert [one.line for one in lint(HEAD + source)] == [7]


@pytest.mark.parametrize("source", [b"x = 1\0", b"# -*- coding: klingon -*-\n", b"x = '\xff'", b"def f(:\n"])
def test_what_is_no_python(source: bytes) -> None:
    """It is a finding at its place, never an exception."""
    (found,) = lint(source, "a.py")
    assert (found.code, found.line) == ("syntax", 1)
    assert found.column >= 1
