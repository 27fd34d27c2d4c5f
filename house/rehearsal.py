"""The release of every package, rehearsed against a real index server on this machine.

For each package: build it, break the release off after the first file, finish it, publish it once more, try what must
be refused, and install the package by its name into a fresh environment that knows no other index. All of it with the
same ``python -m house.release`` that a real release runs. Everything lives in one temporary folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from house import release
from house.catalogue import ROOT, Package, Problem, find, pick

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"


def rehearse(packages: list[Package], port: int) -> None:
    """Rehearse the release of *packages* on an index that listens on *port*, or on a free one when that is 0.

    Raises:
        Problem: Anything went otherwise than a release must.
    """
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as name:
        folder = Path(name)
        with serve(folder, port) as address:
            for package in packages:
                start = time.monotonic()
                say(f"{package} {package.version}")
                rehearse_one(package, folder, address)
                say(f"{package} {package.version}: released and installed by name in {time.monotonic() - start:.1f} s")


def rehearse_one(package: Package, folder: Path, address: str) -> None:
    """Release one package to the index at *address* and use it."""
    tag = f"{package}-v{package.version}"
    dist = build(package, folder / "dist")
    wheel, _ = files = release.check(release.Release(package, package.version), dist)

    step("the release breaks off after its first file, and is run again")
    run(sys.executable, "-m", "uv", "publish", "--no-config", "--quiet", "--publish-url", address, str(wheel))
    published(package, tag, dist, address)
    step("the same release once more")
    published(package, tag, dist, address)

    before = sorted((folder / "index").iterdir())
    changed = altered(package, folder / "changed", package.version)
    refused(changed, tag, build(changed, folder / "changed-dist"), address, "published with other contents")
    development = altered(package, folder / "development", f"{package.version}.dev1")
    development_dist = build(development, folder / "development-dist")
    refused(development, f"{tag}.dev1", development_dist, address, "may not be published")
    refused(package, f"{package}-v99.0", dist, address, f"the package says {package.version}")
    if sorted((folder / "index").iterdir()) != before:
        raise Problem(f"{package}: a release that was refused changed the index")

    step(f"pip install {package}, from the local index alone")
    fetch_dependencies(wheel, folder / "dependencies")
    install_and_use(package, files, folder / "environment", address)


def build(package: Package, dist: Path) -> Path:
    """Build the wheel and the sdist of *package* into the folder *dist* and return it."""
    run(sys.executable, "-m", "hatchling", "build", "--directory", str(dist), cwd=package.path, quiet=True)
    return dist


def altered(package: Package, path: Path, version: str) -> Package:
    """Return a copy of *package* in the folder *path* with another README and *version*."""
    copy = path / "packages" / package.name
    wanted = ("src", "tests", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")
    for part in map(package.path.joinpath, wanted):
        if part.is_dir():
            shutil.copytree(part, copy / part.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.mkdir(parents=True, exist_ok=True)
            shutil.copy(part, copy)
    with (copy / "README.md").open("a", encoding="utf-8") as readme:
        readme.write("\nOne line more.\n")
    init = copy / "src" / package.module / "__init__.py"
    init.write_text(init.read_text(encoding="utf-8").replace(f'"{package.version}"', f'"{version}"'), encoding="utf-8")
    return replace(package, path=copy)


def published(package: Package, tag: str, dist: Path, address: str) -> None:
    """Publish as a real release does."""
    said = publish(package, tag, dist, address)
    if said.returncode:
        raise Problem(f"{tag}: {said.stderr.strip()}")
    print("".join(f"   {line}\n" for line in said.stdout.splitlines() if "published" in line), end="", flush=True)


def refused(package: Package, tag: str, dist: Path, address: str, why: str) -> None:
    """Try to publish what must be refused in one line that says *why*."""
    said = publish(package, tag, dist, address)
    lines = said.stderr.strip().splitlines()
    step(f"must be refused: {tag}")
    print(f"   {lines[-1] if lines else 'not refused'}", flush=True)
    if said.returncode == 0 or len(lines) != 1 or why not in lines[0]:
        raise Problem(f"{tag} was not refused with one line about {why!r}: {said.stderr or said.stdout}")


def publish(package: Package, tag: str, dist: Path, address: str) -> subprocess.CompletedProcess[str]:
    """Run the release of the repository that *package* is in."""
    command = [sys.executable, "-m", "house.release", "publish", tag, "--dist", str(dist)]
    where = ("--root", str(package.path.parents[1]), "--index", f"{address}simple/", "--upload", address)
    return subprocess.run(
        [*command, *where],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def fetch_dependencies(wheel: Path, folder: Path) -> None:
    """Put what *wheel* depends on into the index, from wherever pip is told to look on this machine."""
    folder.mkdir(exist_ok=True)
    run(sys.executable, "-m", "pip", "download", "-qq", "--dest", str(folder), str(wheel))
    (folder / wheel.name).unlink()  # This one shall come from where it was published.


def install_and_use(package: Package, files: list[Path], folder: Path, address: str) -> None:
    """Install *package* by its name into a fresh environment, make sure that it is ours, and run its command."""
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "uv", "venv", "--no-config", "--quiet", "--python", sys.executable, str(folder))
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    report = folder / "report.json"
    pip = (sys.executable, "-m", "pip", "--isolated", "--python", str(programs / "python"), "install", "--quiet")
    where = ("--no-cache-dir", "--index-url", f"{address}simple/", "--report", str(report))
    run(*pip, *where, package.name, env=environment(PIP_CONFIG_FILE=os.devnull))
    for item in json.loads(report.read_text(encoding="utf-8"))["install"]:
        url = item["download_info"]["url"]
        print(f"   {item['metadata']['name']} {item['metadata']['version']} from {url.partition('#')[0]}", flush=True)
        ours = item["metadata"]["name"] == package.name
        if not url.startswith(address) or (ours and not url.partition("#")[0].endswith(files[0].name)):
            raise Problem(f"{item['metadata']['name']} came from {url}, not from the index of this rehearsal")
    run(str(programs / package.name), "--version")
    run(str(programs / package.name), "--help", quiet=True)


@contextlib.contextmanager
def serve(folder: Path, port: int) -> Iterator[str]:
    """Run an index server on what is in *folder*, and give its address."""
    port = port_to_use(port)
    index, dependencies = folder / "index", folder / "dependencies"
    index.mkdir()
    dependencies.mkdir()
    options = ("--interface", HOST, "--port", str(port), "--passwords", ".", "--authenticate", ".")
    how = ("--disable-fallback", "--hash-algo", "sha256", "--backend", "simple-dir", "--server", "wsgiref")
    log = folder / "server.log"
    with log.open("w", encoding="utf-8") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "pypiserver", "run", *options, *how, str(index), str(dependencies)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until_it_answers(server, port, log)
        say(f"an index server listens on {HOST} port {port}")
        yield f"http://{HOST}:{port}/"
    finally:
        server.terminate()
        server.wait()


def port_to_use(port: int) -> int:
    """Return *port*, or a free one when it is 0.

    Raises:
        Problem: The port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise Problem(f"port {port}: {reason} (leave --port out and a free one is taken)") from error
        free: int = probe.getsockname()[1]
        return free


def until_it_answers(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the server takes connections."""
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise Problem(f"the index server did not start: {log.read_text(encoding='utf-8').strip()[-300:]}")


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with *more*, loopback reached directly, and what `uv publish` asks for."""
    direct = {"NO_PROXY": HOST, "no_proxy": HOST}
    return {**os.environ, **direct, "UV_PUBLISH_USERNAME": "rehearsal", "UV_PUBLISH_PASSWORD": "rehearsal", **more}


def run(*command: str, cwd: Path | None = None, quiet: bool = False, env: dict[str, str] | None = None) -> None:
    """Run *command*; what it prints is shown when it fails or is not *quiet*."""
    done = subprocess.run(
        command, cwd=cwd, env=env or environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.stdout and (done.returncode or not quiet):
        print("".join(f"   {line}\n" for line in done.stdout.decode().splitlines()), end="", flush=True)
    if done.returncode:
        raise Problem(f"{Path(command[0]).name} {' '.join(command[1:])} failed with exit code {done.returncode}")


def say(line: str) -> None:
    """Print a line for people."""
    print(f"== {line}", flush=True)


def step(line: str) -> None:
    """Print what comes next."""
    print(f"-- {line}", flush=True)


def main() -> None:
    """Rehearse the release of all packages, or of those named."""
    parser = argparse.ArgumentParser(prog="nox -s rehearse --", description=main.__doc__)
    parser.add_argument("packages", nargs="*", metavar="cb-x")
    parser.add_argument("--port", type=int, default=0, help="the index's port on loopback; a free one by default")
    chosen = parser.parse_args()
    try:
        found = find()
        rehearse([pick(name, found) for name in chosen.packages] or found, chosen.port)
    except Problem as problem:
        sys.exit(f"rehearse: {problem}")


if __name__ == "__main__":
    main()
