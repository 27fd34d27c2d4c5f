"""The command, run as a user runs it."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import cb_riddles
import pytest
from cb_riddles.site.database import from_url, sqlite
from riddles_support import command, write


def test_version() -> None:
    """``--version`` prints the package's version and nothing else."""
    assert command("--version").stdout == f"cb-riddles, version {cb_riddles.__version__}\n"


def test_riddles_go_in_and_out_and_are_played(tmp_path: Path, data: Path) -> None:
    """Import, list, show, answer, stats, export: one file's way through the command."""
    row = {"riddle": "What has keys?", "hint": "88", "explanation": "It has 88 keys."}
    row["options"] = [{"text": "A piano", "correct": True}, {"text": "A map", "correct": False}]
    file = write(tmp_path, "riddles.jsonl", json.dumps(row) + "\n")
    assert command("import", "--dry-run", file).stdout == "1 would be created, 0 would be updated, 0 would be skipped\n"
    assert command("import", file).stdout == "1 created, 0 updated, 0 skipped\n"
    assert command("list").stdout == "     1  What has keys?\n"

    shown = json.loads(command("show", "1", "--format", "json").stdout)
    right = shown["options"].index("A piano") + 1
    said = command("answer", "1", str(right))
    assert (said.returncode, said.stdout) == (0, "Nice! Choose another one!\nIt has 88 keys.\n")
    said = command("answer", "1", str(3 - right))
    assert (said.returncode, said.stdout) == (1, "Wrong Answer!\n")
    counts = {"riddles": 1, "published": 1, "answers": 2, "right": 1, "solved": 1, "streak": 1}
    assert json.loads(command("stats", "--format", "json").stdout) == counts

    out = tmp_path / "out.gift"
    said = command("export", "-o", str(out))
    assert out.read_text(encoding="utf-8").endswith("{=A piano ~A map ####It has 88 keys.}\n\n")
    assert "hint of 1 riddles is left out" in said.stderr
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "secret.key").stat().st_mode) == 0o600


def test_bad_files_are_named_line_by_line(tmp_path: Path, site: Path) -> None:
    """Each error is FILE:LINE: reason, the status is 1, and nothing is imported."""
    good = '{"riddle": "a", "options": [{"text": "x", "correct": true}, {"text": "y"}]}\n'
    file = write(tmp_path, "bad.jsonl", f'{good}{{"riddle": "b", "options": []}}\nnonsense\n')
    said = command("import", file)
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        f"cb-riddles: {file}:2: a riddle needs two options at least, not 0",
        f"cb-riddles: {file}:3: not JSON: Expecting value at column 1",
        f"cb-riddles: {file}: 2 errors, nothing was imported (mend them and run it again)",
    ]
    assert command("list").stdout == ""


def test_what_is_no_text_is_said(tmp_path: Path, site: Path) -> None:
    """Bytes that are no UTF-8 are one line with their place."""
    said = command("import", "--format", "gift", "-", input="")
    assert said.returncode == 0
    path = tmp_path / "latin.csv"
    path.write_bytes(b"riddle,correct,option_1,option_2\ncaf\xe9,1,a,b\n")
    assert f"{path}:2: not UTF-8" in command("import", str(path)).stderr


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("import", "none.csv"), 2, "none.csv: No such file or directory"),
        (("createadmin", "ada", "--password-file", "none"), 2, "none: No such file or directory"),
        (("import", "--format", "csv", "/etc"), 2, "/etc: Is a directory (look at the name and the rights)"),
        (("serve", "--dev", "--host", "0.0.0.0"), 2, "--dev tells visitors all it knows"),
        (("backup", "/nowhere/x"), 1, "/nowhere/x: No such file or directory"),
        (("import", "riddles"), 2, "riddles: which format is it?"),
        (("show", "99"), 1, "there is no riddle 99"),
        (("fly",), 2, "No such command 'fly'"),
        (("export", "-o", "/nowhere/x.csv"), 1, "/nowhere/x.csv: No such file or directory"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_one_line(site: Path, words: tuple[str, ...], status: int, says: str) -> None:
    """One line on stderr, and a status that says whose fault it is."""
    said = command(*words)
    assert (said.returncode, said.stdout) == (status, "")
    assert said.stderr.startswith(f"cb-riddles: {says}")
    assert said.stderr.count("\n") == 1


def test_the_machines_faults_have_their_own_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder that cannot be one, and an address of no database, whose password is not printed."""
    file = write(tmp_path, "file", "")
    said = command("--data", f"{file}/x", "list")
    assert (said.returncode, said.stderr.count("\n")) == (3, 1)
    monkeypatch.setenv("DATABASE_URL", "mysql://ada:secret@db/x")
    said = command("list")
    assert (said.returncode, said.stderr.count("\n")) == (3, 1)
    assert "DATABASE_URL must be like" in said.stderr
    assert "secret" not in said.stderr


def test_an_admin_is_made_by_a_password_file(tmp_path: Path, site: Path) -> None:
    """A weak password and a name that is taken are refused; the password is never printed."""
    weak = command("createadmin", "ada", "--password-file", "-", input="12345\n")
    assert (weak.returncode, "too short" in weak.stderr) == (1, True)
    file = write(tmp_path, "password", "correct horse battery\n")
    done = command("createadmin", "ada", "--password-file", file)
    assert (done.returncode, done.stderr) == (0, "ada may log in to the admin\n")
    again = command("createadmin", "ada", "--password-file", file)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)


def test_check_finds_what_cannot_be_won(site: Path) -> None:
    """The shipped settings are clean behind TLS; a riddle without options is named."""
    clean = command("check", "--deploy")
    assert (clean.returncode, clean.stderr) == (0, "System check identified no issues (2 silenced).\n") or clean.stdout
    make = "from cb_riddles.models import Riddle; Riddle.objects.create(riddle_text='What?')"
    assert command("manage", "shell", "-c", make).returncode == 0
    said = command("check")
    assert said.returncode == 1
    assert "riddle 1: What?: two options and a correct one are needed" in said.stdout


def test_migrate_says_what_it_did() -> None:
    """The first run applies, the second has nothing to do."""
    assert "Applying riddles.0001_initial... OK" in command("migrate").stdout
    assert "No migrations to apply" in command("migrate").stdout


def test_init_writes_nothing_over(tmp_path: Path) -> None:
    """A folder that has a project already is left alone."""
    write(tmp_path, "urls.py", "mine")
    said = command("init", str(tmp_path))
    assert (said.returncode, "is there already" in said.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["urls.py"]
    assert command("init", f"{tmp_path}/urls.py/x").returncode == 1


def test_a_backup_is_whole(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one file that only its owner reads, replaces nothing unasked, and is a database to start from."""
    assert command("sample").returncode == 0
    target = tmp_path / "monday.sqlite3"
    assert command("backup", str(target)).returncode == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    said = command("backup", str(target))
    assert (said.returncode, "is there already" in said.stderr) == (1, True)
    assert command("backup", "--force", str(target)).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["monday.sqlite3"]
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{target}")
    assert command("list").stdout.count("\n") == 6
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/none")
    said = command("backup", str(tmp_path / "x"))
    assert (said.returncode, "is not there yet" in said.stderr) == (1, True)
    monkeypatch.setenv("DATABASE_URL", "postgres://ada@127.0.0.1/none")
    assert "use pg_dump" in command("backup", str(tmp_path / "x")).stderr


def test_durable_waits_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting reaches SQLite."""
    assert "synchronous=NORMAL" in sqlite("x")["OPTIONS"]["init_command"]
    monkeypatch.setenv("CB_RIDDLES_DURABLE", "1")
    assert "synchronous=FULL" in sqlite("x")["OPTIONS"]["init_command"]


def test_importing_the_library_is_cheap() -> None:
    """``import cb_riddles`` brings neither Django nor click, and ``--help`` starts no Django."""
    import subprocess

    program = "import sys, cb_riddles; sys.exit(bool({'django', 'click'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    program = "import sys, cb_riddles.cli; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_addresses_of_databases() -> None:
    """Database addresses: SQLite by path, PostgreSQL with all parts, and what is none."""
    assert from_url("sqlite:////srv/riddles.db")["NAME"] == "/srv/riddles.db"
    full = from_url("postgres://ada:p%40ss@db:5433/riddles?sslmode=require")
    assert (full["USER"], full["PASSWORD"], full["HOST"]) == ("ada", "p@ss", "db")
    assert full["OPTIONS"] == {"sslmode": "require"}
    for bad in ("postgres://db", "sqlite://", "x"):
        with pytest.raises(ValueError, match="must be like"):
            from_url(bad)
