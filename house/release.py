"""The release of one package: its tag, the files built for it, and the index that takes them.

``python -m house.release`` is what .github/workflows/release.yml runs for a real release and what the rehearsal runs
against an index on this machine: there is one code path. Everything is checked before the first byte is uploaded:

- the tag is ``cb-x-v1.2.3`` for a package that exists, and 1.2.3 is what its ``__init__.py`` says and no ``.dev``;
- its CHANGELOG.md has a section for that version;
- the folder holds the wheel and the sdist of exactly that version;
- the index holds no *other* file under one of their names.

Files that the index holds already, byte for byte, are passed over. So a release that was cut off is finished by running
it again, and one that is complete is left as it is.
"""

from __future__ import annotations

import argparse
import email.parser
import hashlib
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from house.catalogue import ROOT, Package, Problem, find

_TAG = re.compile(r"(?P<name>cb-[a-z]+)-v(?P<version>.+)")
# PEP 440 without epochs, local versions and development releases: what may be published.
_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?")


@dataclass(frozen=True, slots=True)
class Release:
    """One version of one package."""

    package: Package
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"

    @property
    def files(self) -> tuple[str, str]:
        """The names of the wheel and of the sdist."""
        stem = f"{self.package.module}-{self.version}"
        return f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"

    @property
    def notes(self) -> str:
        """The version's section of the package's CHANGELOG.md, without its heading.

        Raises:
            Problem: There is none, or it is empty.
        """
        changelog = (self.package.path / "CHANGELOG.md").read_text(encoding="utf-8")
        heading = rf"^## \[?{re.escape(self.version)}\]?(?: [^\n]*)?\n"
        found = re.search(rf"{heading}(.*?)(?=^## |^\[[^\]]+\]: |\Z)", changelog, re.MULTILINE | re.DOTALL)
        if not found or not found[1].strip():
            raise Problem(f"packages/{self.package}/CHANGELOG.md: nothing about {self.version} (say what is new)")
        return found[1].strip() + "\n"


def of_tag(tag: str, packages: list[Package]) -> Release | None:
    """Return the release that *tag* stands for, or None when it names no package of this repository.

    Raises:
        Problem: The version in the tag may not be published, or is not the one that the package states.
    """
    matched = _TAG.fullmatch(tag)
    package = next((each for each in packages if matched and each.name == matched["name"]), None)
    if not matched or not package:
        return None
    version = matched["version"]
    if not _VERSION.fullmatch(version):
        raise Problem(f"{tag}: {version} may not be published (a release is like 1.2.3 or 1.2.3rc1, never .dev)")
    if package.version != version:
        raise Problem(f"{tag}: the package says {package.version} (hatch version {version}, or another tag)")
    return Release(package, version)


def check(release: Release, dist: Path) -> list[Path]:
    """Return the wheel and the sdist of *release* in the folder *dist*.

    Raises:
        Problem: One is missing, another version is there too, or a file is not what its name says.
    """
    there = sorted(path.name for path in dist.glob(f"{release.package.module}-*") if path.suffix in {".whl", ".gz"})
    if there != sorted(release.files):
        raise Problem(f"{dist}: wanted {' and '.join(release.files)}, found {', '.join(there) or 'nothing'}")
    paths = [dist / name for name in release.files]
    for path in paths:
        stated = _metadata(path)
        if stated != (release.package.name, release.version):
            raise Problem(f"{path.name}: its metadata says {' '.join(stated)}, not {release} (build it again)")
    return paths


def publish(release: Release, paths: list[Path], *, index: str | None, upload: str | None, attest: bool) -> None:
    """Upload those of *paths* that the index does not hold yet.

    Arguments:
        release: What is published.
        paths: Its files, as `check` returned them.
        index: The address of the index's simple API; None is the public index.
        upload: The address that takes uploads; None is the public index's.
        attest: Whether to sign the files first, with the identity that the CI system vouches for.

    Raises:
        Problem: The index holds another file under one of the names; nothing was uploaded. Or an upload failed.
    """
    there = _published(release.package.name, index)
    wanted = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    for path, digest in wanted.items():
        if there.get(path.name, digest) != digest:
            raise Problem(f"{path.name} is published with other contents; nothing uploaded (release a higher version)")
    missing = [path for path in paths if path.name not in there]
    for path in paths:
        if path not in missing:
            print(f"{path.name} is published already, passed over")
    if not missing:
        print(f"{release} is published already: nothing to do")
        return
    if attest:
        _run("pypi_attestations", "sign", *map(str, missing))
    address = ("--publish-url", upload) if upload else ()
    _run("uv", "publish", "--no-config", "--no-progress", *address, *map(str, missing))
    print(f"{release} is published ({len(missing)} of {len(paths)} files uploaded)")


def _metadata(path: Path) -> tuple[str, str]:
    """Return the name and the version that the built file *path* states inside."""
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
                text = wheel.read(name)
        else:
            with tarfile.open(path) as sdist:
                text = getattr(sdist.extractfile(f"{path.name.removesuffix('.tar.gz')}/PKG-INFO"), "read", bytes)()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise Problem(f"{path.name}: not a built package: {error} (build it again)") from error
    headers = email.parser.BytesHeaderParser().parsebytes(text)
    return headers["Name"] or "nothing", headers["Version"] or "nothing"


def _published(name: str, index: str | None) -> dict[str, str]:
    """Return the SHA-256 digest of every file of the project *name* that the index holds."""
    import pypi_simple  # Only publishing needs it; checking a tag works with the standard library.
    import requests

    try:
        with pypi_simple.PyPISimple(index or pypi_simple.PYPI_SIMPLE_ENDPOINT) as client:
            page = client.get_project_page(name, timeout=30)
    except pypi_simple.NoSuchProjectError:
        return {}
    except requests.RequestException as error:
        raise Problem(f"the index does not answer; nothing uploaded: {error} (try again)") from error
    return {file.filename: file.digests.get("sha256", "") for file in page.packages}


def _run(module: str, *arguments: str) -> None:
    if subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode:
        raise Problem(f"{module} {arguments[0]} failed (run the release again: what is uploaded is passed over)")


def main(arguments: list[str] | None = None) -> None:
    """Answer the workflow: ``package``, ``check``, ``notes`` or ``publish`` for a tag."""
    parser = argparse.ArgumentParser(prog="python -m house.release", description=main.__doc__)
    parser.add_argument("action", choices=["package", "check", "notes", "publish"])
    parser.add_argument("tag", help="like cb-sockets-v1.2.3")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="the folder with the built files")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    parser.add_argument("--index", help="the simple API of another index than the public one")
    parser.add_argument("--upload", help="where that other index takes uploads")
    parser.add_argument("--attest", action="store_true", help="sign the files with the identity of the CI job")
    chosen = parser.parse_args(arguments)
    try:
        release = of_tag(chosen.tag, find(chosen.root))
        if release is None:
            print(f"release: {chosen.tag} names no package here: nothing to do", file=sys.stderr)
        elif chosen.action == "package":
            print(release.package, end="")
        elif chosen.action == "notes":
            print(release.notes, end="")
        else:
            paths = check(release, chosen.dist)
            print(f"{release}: {', '.join(release.files)}\n\n{release.notes}")
            if chosen.action == "publish":
                publish(release, paths, index=chosen.index, upload=chosen.upload, attest=chosen.attest)
    except Problem as problem:
        sys.exit(f"release: {problem}")


if __name__ == "__main__":
    main()
