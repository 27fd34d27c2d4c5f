"""The release: which tag it takes, what it checks, and what it uploads."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from house import release
from house.catalogue import Package, Problem, find
from house.release import Release, check, of_tag, publish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from house.tests.conftest import MakePackage

HELD: dict[str, str] = {}
"""What the index of a test holds: file names and SHA-256 digests."""


class Index(BaseHTTPRequestHandler):
    """The simple API of an index that holds `HELD`."""

    def do_GET(self) -> None:
        """Answer with the project's page, or that there is none."""
        page = "".join(f'<a href="/{name}#sha256={digest}">{name}</a>' for name, digest in HELD.items()).encode()
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base's
        """Keep quiet."""


@pytest.fixture
def index() -> Iterator[str]:
    """Give the address of an index that holds nothing yet."""
    HELD.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
        server.shutdown()
        thread.join()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Give the list of the programs that a release runs, which then only are noted."""
    commands: list[list[str]] = []
    monkeypatch.setattr(release, "_run", lambda *command: commands.append([part.split("/")[-1] for part in command]))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return commands


@pytest.fixture
def tea(make_package: MakePackage, tmp_path: Path) -> Package:
    """Give a package at version 1.2.3."""
    make_package("cb-tea")
    return find(tmp_path)[0]


def build(tea: Package, dist: Path, *, name: str = "cb-tea", version: str = "1.2.3") -> list[Path]:
    """Write a wheel and an sdist for version 1.2.3 whose metadata says *name* and *version*."""
    dist.mkdir(exist_ok=True)
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n".encode()
    wheel, sdist = (dist / file for file in Release(tea, "1.2.3").files)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("cb_tea-1.2.3.dist-info/METADATA", metadata)
    with tarfile.open(sdist, "w:gz") as tar:
        info = tarfile.TarInfo("cb_tea-1.2.3/PKG-INFO")
        info.size = len(metadata)
        tar.addfile(info, io.BytesIO(metadata))
    return [wheel, sdist]


@pytest.mark.parametrize("tag", ["v1.2.3", "cb-cake-v1.2.3", "cb-tea-1.2.3", "cb-tea", "xcb-tea-v1.2.3", ""])
def test_tag_that_names_no_package_is_no_release(tea: Package, tag: str) -> None:
    """A tag of another kind does nothing, and is not an error."""
    assert of_tag(tag, [tea]) is None


def test_tag_names_exactly_one_package(make_package: MakePackage, tmp_path: Path) -> None:
    """The tag of one package releases that one."""
    make_package("cb-tea")
    make_package("cb-teapot")
    found = of_tag("cb-tea-v1.2.3", find(tmp_path))
    assert str(found) == "cb-tea 1.2.3"


@pytest.mark.parametrize("version", ["1.2.3.dev1", "1.2.3+local", "1.2.3-rc1", "1.2.3 ", "latest", "1!1.2.3"])
def test_version_that_may_not_be_published_is_refused(make_package: MakePackage, tmp_path: Path, version: str) -> None:
    """Development and local versions never leave, even if the package states them."""
    make_package("cb-tea", version=version)
    with pytest.raises(Problem, match="may not be published"):
        of_tag(f"cb-tea-v{version}", find(tmp_path))


def test_version_that_differs_from_the_tag_is_refused(tea: Package) -> None:
    """The tag must say what the package says."""
    with pytest.raises(Problem, match=r"cb-tea-v1\.2\.4: the package says 1\.2\.3"):
        of_tag("cb-tea-v1.2.4", [tea])


def test_candidate_may_be_published(make_package: MakePackage, tmp_path: Path) -> None:
    """A release candidate is a version like any other."""
    make_package("cb-tea", version="2.0rc1")
    assert str(of_tag("cb-tea-v2.0rc1", find(tmp_path))) == "cb-tea 2.0rc1"


@pytest.mark.parametrize(
    "changelog",
    [
        "# Changelog\n\n## [1.2.3] - 2026-11-22\n\nNew tea.\n\n## [1.2.2] - 2026-11-21\n\nOld tea.\n",
        "# Changelog\n\n## 1.2.3\n\nNew tea.\n",
        "# Changelog\n\n## [1.2.30]\n\nNo.\n\n## [1.2.3]\n\nNew tea.\n\n[1.2.3]: somewhere\n",
    ],
)
def test_notes_are_the_section_of_the_changelog(tea: Package, changelog: str) -> None:
    """The release notes are what CHANGELOG.md says of this version, and nothing of another."""
    (tea.path / "CHANGELOG.md").write_text(changelog)
    assert Release(tea, "1.2.3").notes == "New tea.\n"


@pytest.mark.parametrize(
    "changelog", ["# Changelog\n", "## [1.2.3]\n\n## [1.2.2]\n\nOld tea.\n", "## [1.2.30]\n\nNo.\n"]
)
def test_release_without_notes_is_refused(tea: Package, changelog: str) -> None:
    """Nothing is released that the changelog does not speak of."""
    (tea.path / "CHANGELOG.md").write_text(changelog)
    with pytest.raises(Problem, match=r"packages/cb-tea/CHANGELOG\.md: nothing about 1\.2\.3"):
        _ = Release(tea, "1.2.3").notes


def test_check_returns_wheel_and_sdist(tea: Package, tmp_path: Path) -> None:
    """The two files of the version are taken, whatever other packages' files lie beside them."""
    paths = build(tea, tmp_path / "dist")
    (tmp_path / "dist" / "cb_teapot-1.2.3.tar.gz").write_text("")
    (tmp_path / "dist" / f"{paths[0].name}.publish.attestation").write_text("")
    assert check(Release(tea, "1.2.3"), tmp_path / "dist") == paths


def test_missing_or_second_version_is_refused(tea: Package, tmp_path: Path) -> None:
    """Neither half a release nor two at once."""
    wheel, _ = build(tea, tmp_path / "dist")
    (tmp_path / "dist" / "cb_tea-1.2.2.tar.gz").write_text("")
    with pytest.raises(Problem, match=r"found cb_tea-1\.2\.2\.tar\.gz, cb_tea-1\.2\.3-py3"):
        check(Release(tea, "1.2.3"), tmp_path / "dist")
    with pytest.raises(Problem, match="found nothing"):
        check(Release(tea, "1.2.3"), tmp_path)
    assert wheel.exists()


@pytest.mark.parametrize(("name", "version"), [("cb-cake", "1.2.3"), ("cb-tea", "1.2.3.dev1")])
def test_file_whose_metadata_says_otherwise_is_refused(tea: Package, tmp_path: Path, name: str, version: str) -> None:
    """A file that was renamed is not what its name says."""
    build(tea, tmp_path / "dist", name=name, version=version)
    with pytest.raises(Problem, match=f"its metadata says {name} {version}"):
        check(Release(tea, "1.2.3"), tmp_path / "dist")


def test_damaged_file_is_refused(tea: Package, tmp_path: Path) -> None:
    """An upload that was cut is noticed before it is passed on."""
    _, sdist = build(tea, tmp_path / "dist")
    sdist.write_bytes(b"half")
    with pytest.raises(Problem, match="not a built package"):
        check(Release(tea, "1.2.3"), tmp_path / "dist")


def test_new_release_is_uploaded(tea: Package, tmp_path: Path, index: str, ran: list[list[str]]) -> None:
    """Both files go up in one run."""
    paths = build(tea, tmp_path / "dist")
    publish(Release(tea, "1.2.3"), paths, index=index, upload=None, attest=False)
    assert ran == [["uv", "publish", "--no-config", "--no-progress", *(path.name for path in paths)]]


def test_half_a_release_is_finished(
    tea: Package, tmp_path: Path, index: str, ran: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the index holds already is passed over; the rest is signed and goes up."""
    wheel, sdist = build(tea, tmp_path / "dist")
    HELD[wheel.name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    publish(Release(tea, "1.2.3"), [wheel, sdist], index=index, upload="http://there/", attest=True)
    assert [command[:2] for command in ran] == [["pypi_attestations", "sign"], ["uv", "publish"]]
    assert all(command[-1] == sdist.name and wheel.name not in command for command in ran)
    assert f"{wheel.name} is published already, passed over" in capsys.readouterr().out


def test_complete_release_is_left_alone(
    tea: Package, tmp_path: Path, index: str, ran: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Publishing once more does nothing and says so."""
    paths = build(tea, tmp_path / "dist")
    HELD.update({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths})
    publish(Release(tea, "1.2.3"), paths, index=index, upload=None, attest=True)
    assert ran == []
    assert "cb-tea 1.2.3 is published already: nothing to do" in capsys.readouterr().out


def test_other_contents_under_the_name_refuse_the_whole_release(
    tea: Package, tmp_path: Path, index: str, ran: list[list[str]]
) -> None:
    """If one file is there with other contents, no file goes up, not even the one that is missing."""
    wheel, sdist = build(tea, tmp_path / "dist")
    HELD[sdist.name] = "0" * 64
    with pytest.raises(Problem, match=r"other contents; nothing uploaded \(release a higher version\)"):
        publish(Release(tea, "1.2.3"), [wheel, sdist], index=index, upload=None, attest=False)
    assert ran == []


def test_index_that_does_not_answer_is_said(tea: Package, tmp_path: Path, ran: list[list[str]]) -> None:
    """Without knowing what is published, nothing is."""
    paths = build(tea, tmp_path / "dist")
    with pytest.raises(Problem, match="the index does not answer; nothing uploaded"):
        publish(Release(tea, "1.2.3"), paths, index="http://127.0.0.1:9/simple/", upload=None, attest=False)
    assert ran == []


def test_failed_program_says_that_it_can_be_run_again() -> None:
    """An upload that broke off is finished by the same command."""
    with pytest.raises(Problem, match="run the release again"):
        release._run("this_module_is_not_there", "publish")


def test_command_answers_the_workflow(
    make_package: MakePackage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`package` names the package of a tag, or nothing; `notes` prints the notes; a refusal is one line."""
    make_package("cb-tea")
    root = ["--root", str(tmp_path)]
    release.main(["package", "cb-tea-v1.2.3", *root])
    assert capsys.readouterr().out == "cb-tea"
    release.main(["package", "cb-cake-v1.2.3", *root])
    assert capsys.readouterr() == ("", "release: cb-cake-v1.2.3 names no package here: nothing to do\n")
    release.main(["notes", "cb-tea-v1.2.3", *root])
    assert capsys.readouterr().out == "First release.\n"
    with pytest.raises(SystemExit, match=r"^release: cb-tea-v2: the package says 1\.2\.3[^\n]*$"):
        release.main(["package", "cb-tea-v2", *root])
    build(find(tmp_path)[0], tmp_path / "dist")
    release.main(["check", "cb-tea-v1.2.3", *root, "--dist", str(tmp_path / "dist")])
    assert "cb-tea 1.2.3: cb_tea-1.2.3-py3-none-any.whl, cb_tea-1.2.3.tar.gz" in capsys.readouterr().out
