"""size: what du says."""

from __future__ import annotations

import ast
import io
import marshal
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cb_subprocess import size, walk
from cb_subprocess import size as _function  # noqa: F401  # its module is fetched below

module = sys.modules["cb_subprocess.size"]


def du(*arguments: str | Path) -> int:
    """What du says of all together."""
    lines = subprocess.run(
        ["du", "-s", "-c", "-B1", *map(str, arguments)], capture_output=True, text=True, check=False
    ).stdout
    return int(lines.splitlines()[-1].split()[0])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of all sizes, hard links across folders, a sparse file, links, a pipe, odd names."""
    chance = random.Random(9)
    root = tmp_path / "tree"
    for folder in range(40):
        inside = root / f"{folder % 5}" / f"{folder}"
        inside.mkdir(parents=True)
        for number in range(10):
            (inside / f"f{number}").write_bytes(b"x" * chance.choice([0, 1, 511, 4096, 5000, 70_000]))
        os.link(inside / "f9", root / f"{folder % 5}" / f"link{folder}")
    with (root / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (root / "loop").symlink_to(root)
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "fifo")
    (root / os.fsdecode(b"\xff\n-rf")).write_bytes(b"x" * 9000)
    return root


def test_the_same_as_du(tree: Path) -> None:
    """Disk and apparent size are du's, to the byte; several paths share their hard links."""
    found = size(tree)
    assert found.disk == du(tree)
    folders_count = du("--apparent-size", tree / "0" / "0") > sum(
        path.stat().st_size for path in (tree / "0" / "0").iterdir()
    )
    folders = 0 if folders_count else sum(p.stat().st_size for p in [tree, *tree.rglob("*/")] if not p.is_symlink())
    assert found.apparent == du("--apparent-size", tree) + folders
    assert found.errors == ()
    assert found.files == 400 + 40 + 5
    assert size(tree / "1", tree / "2", tree / "1" / "1").disk >= du(tree / "1", tree / "2")


def test_several_paths_share_links(tmp_path: Path) -> None:
    """A file with a name in each of two folders counts once."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 100_000)
    os.link(tmp_path / "a" / "file", tmp_path / "b" / "file")
    assert size(tmp_path / "a", tmp_path / "b").disk == du(tmp_path / "a", tmp_path / "b")


def test_shared_with_processes(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Helped by other processes it is the same."""
    alone = size(tree, processes=False)
    monkeypatch.setattr(module, "_SHARE_AT", 5)
    monkeypatch.setattr(module, "_PART", 15)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    for _ in range(5):
        assert size(tree) == alone


def test_a_helper_that_is_killed(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a killed process was to read is read all the same."""
    alone = size(tree, processes=False)
    broken = tmp_path / "broken.py"
    broken.write_text("import os, sys; sys.stdin.buffer.read(1); os.kill(os.getpid(), 9)\n")
    monkeypatch.setattr(module, "_SHARE_AT", 5)
    monkeypatch.setattr(module.walk, "__file__", str(broken))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    assert size(tree) == alone


def test_what_a_helper_does(tree: Path) -> None:
    """It reads what it is given, up to so many files, and gives back sums and what is left, until its input ends."""
    stack = [(os.fsencode(tree / "0"), 7)]
    first = io.BytesIO()
    walk.serve(io.BytesIO(marshal.dumps((stack, None, 10))), first)
    left = marshal.loads(first.getvalue())[-1]
    assert {owner for _, owner in left} == {7}
    whole = walk.Walk([], None)
    whole.merge(marshal.loads(first.getvalue()))
    whole.run()
    assert whole.files == len([path for path in (tree / "0").rglob("*") if path.is_file()])


def test_a_folder_that_is_none_any_more(tmp_path: Path) -> None:
    """What was a folder and is gone, or a link now, is told, not followed."""
    (tmp_path / "link").symlink_to("/")
    one = walk.Walk([(os.fsencode(tmp_path / "gone"), 0), (os.fsencode(tmp_path / "link"), 0)], None)
    one.run()
    assert sorted(reason for _, reason in one.errors) == ["No such file or directory", "Not a directory"]
    assert (one.files, one.blocks) == (0, {})


def test_deeper_than_a_path_may_be(tmp_path: Path) -> None:
    """Folders in folders whose path is longer than any system call takes count, too."""
    above = os.open(tmp_path, os.O_RDONLY)
    for _ in range(50):
        os.mkdir("d" * 200, dir_fd=above)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = below
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=above))
    os.close(above)
    found = size(tmp_path)
    assert (found.errors, found.files, found.folders) == ((), 50, 51)
    assert found.disk == du(tmp_path)
    shutil.rmtree(tmp_path / ("d" * 200))


def test_stays_on_its_file_system(tree: Path) -> None:
    """What lies on another one is not counted."""
    one = walk.Walk([(os.fsencode(tree), 0)], -1)
    one.run()
    assert (one.files, one.blocks[0], one.stack) == (0, 0, [])


def test_a_top_folder_that_may_not_be_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, its own room counted."""

    def closed(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", closed)
    found = size(tree)
    assert (found.errors, found.files, found.folders) == ((f"{tree}: Permission denied",), 0, 1)


def test_the_largest(tree: Path) -> None:
    """What lies directly inside, largest first."""
    found = size(tree)
    assert [entry.disk for entry in found.entries] == sorted((entry.disk for entry in found.entries), reverse=True)
    by_name = {Path(entry.path).name: entry for entry in found.entries}
    assert by_name["sparse"].apparent == 1 << 30
    assert sum(entry.disk for entry in found.entries) + tree.lstat().st_blocks * 512 == found.disk


def test_a_file_and_what_is_not_there(tmp_path: Path) -> None:
    """A file is its own size; what is missing is told, the rest counted."""
    (tmp_path / "file").write_bytes(b"x" * 5000)
    found = size(tmp_path / "file", tmp_path / "none")
    assert (found.disk, found.apparent, found.folders) == (8192, 5000, 0)
    assert found.errors == (f"{tmp_path}/none: No such file or directory",)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        path.chmod(0o700)
    shutil.rmtree(folder)


def test_what_may_not_be_read(open_folder: Path) -> None:
    """A closed folder is told, the rest counted; as another user where we are root."""
    (open_folder / "file").write_bytes(b"x" * 5000)
    (open_folder / "in").mkdir()
    (open_folder / "in" / "closed").mkdir(mode=0)
    script = (
        "import os, sys; from cb_subprocess import size\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "found = size(sys.argv[1], processes=False); print(repr((found.files, found.errors)))\n"
        "print(repr(size(sys.argv[1] + '/in/closed').errors))"
    )
    ran = subprocess.run([sys.executable, "-c", script, open_folder], capture_output=True, text=True, check=True)
    first, second = map(ast.literal_eval, ran.stdout.splitlines())
    assert first == (1, (f"{open_folder}/in/closed: Permission denied",))
    assert second == (f"{open_folder}/in/closed: Permission denied",)


def test_what_vanishes_meanwhile(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is gone between being listed and being looked at is told, the rest counted."""
    scandir = os.scandir

    class Vanishing:
        def __init__(self, folder: int | bytes) -> None:
            self.entries = list(scandir(folder))
            name = os.fsdecode(folder) if isinstance(folder, bytes) else str(Path(f"/proc/self/fd/{folder}").readlink())
            if name.endswith("/1/1"):
                (tree / "1" / "1" / "f0").unlink()

        def __enter__(self) -> Iterator[os.DirEntry[bytes]]:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            pass

    before = size(tree)
    monkeypatch.setattr(os, "scandir", Vanishing)
    found = size(tree)
    assert found.errors == (f"{tree}/1/1/f0: No such file or directory",)
    assert found.files == before.files - 1


def test_other_file_systems(tmp_path: Path) -> None:
    """With ``one_file_system`` what is mounted from elsewhere is left out."""
    everything, one = size("/dev", processes=False), size("/dev", one_file_system=True, processes=False)
    assert one.files <= everything.files
    assert size(tmp_path, one_file_system=True) == size(tmp_path)
    assert one.disk == du("-x", "/dev")
