"""The ten commands joined: what the script leaves behind is read with nothing of ours."""

from __future__ import annotations

import csv
import email
import email.policy
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "riddles-by-post" / "run.sh"


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that the script worked in, and what it printed."""
    folder = tmp_path_factory.mktemp("evening")
    given = {name: value for name, value in os.environ.items() if not name.startswith("CB_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", str(SCRIPT), str(folder)],
        env={**given, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return folder, ran.stdout


def test_every_command_had_a_step(evening: tuple[Path, str]) -> None:
    """And the table at the end names them."""
    _, printed = evening
    names = ["csv", "decorators", "dict", "logging", "mail", "map", "riddles", "sockets", "subprocess", "threading"]
    assert {line.split()[0] for line in printed.splitlines()[-11:]} == {f"cb-{name}" for name in names}


def test_everybody_got_the_list(evening: tuple[Path, str]) -> None:
    """Five letters: the four of the foreign file, and the one who came over the socket. The list is attached whole."""
    folder, _ = evening
    letters = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in (folder / "mailbox" / "new").iterdir()
    ]
    names = {str(letter["to"].addresses[0].display_name) for letter in letters}
    assert names == {"Jörg Müller", "Øst, Åse", "Zoë Lemaître", 'Anne "Nan" O\'Hara', "Mia Hall"}
    for letter in letters:
        (attached,) = letter.iter_attachments()
        assert attached.get_filename() == "riddles.csv"
        assert attached.get_payload(decode=True) == (folder / "riddles.csv").read_bytes()


def test_the_list_is_whole(evening: tuple[Path, str]) -> None:
    """Twelve riddles, each with the words of its page, its category and its address; and no answer."""
    folder, _ = evening
    with (folder / "riddles.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    asked = {json.loads(line)["riddle"] for line in (folder / "all.jsonl").read_text().splitlines()}
    assert {row["riddle"] for row in rows} == asked
    assert len(rows) == 12
    assert {row["category"] for row in rows} == {"Things", "Nature"}
    assert all(int(row["words"]) > 10 and row["address"].startswith("http://127.0.0.1:") for row in rows)
    assert "piano" not in (folder / "riddles.csv").read_text(encoding="utf-8")


def test_what_hung_was_ended_and_done_again(evening: tuple[Path, str]) -> None:
    """The job log has the page that never came back, and after that its success."""
    folder, _ = evening
    page = (folder / "paths.txt").read_text().splitlines()[0]
    log = (folder / "jobs.tsv").read_text().splitlines()[1:]
    ends = [line.split("\t")[6] for line in log if line.endswith(f" {page}")]
    assert ends == ["-1", "0"]
    assert (folder / "stuck").exists()


def test_settings_kept_their_comments(evening: tuple[Path, str]) -> None:
    """Two values are other ones; the rest is byte for byte what it was."""
    folder, _ = evening
    text = (folder / "post.toml").read_text()
    settings = tomllib.loads(text)
    before = (
        (folder / "post.toml.before").read_text().replace("http://127.0.0.1:8000/riddles/", settings["site"]["url"])
    )
    assert text == before.replace("smtp://127.0.0.1:1025", settings["mail"]["server"])


def test_nothing_runs_on(evening: tuple[Path, str]) -> None:
    """The servers ended with the script, and said so in their logs."""
    folder, _ = evening
    running = {path.readlink() for path in Path("/proc").glob("[0-9]*/cwd") if os.access(path, os.R_OK)}
    assert folder not in running
    assert "stopped; 0 connections cut off" in (folder / "logs" / "desk.log").read_text()
    assert "5 messages" in (folder / "logs" / "mail.log").read_text()
