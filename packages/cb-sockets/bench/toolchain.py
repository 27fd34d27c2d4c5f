"""Compile the C programs of the bench, where there is a compiler; their binaries are cached by content."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
_TLS = ["-DWITH_TLS", "-lssl", "-lcrypto"]


def compiler() -> str | None:
    """The first C compiler on PATH."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        folder = base / "cb-sockets-bench"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="cb-sockets-bench-"))


def build(source: str, *options: str) -> Path | None:
    """Compile bench/`source` with -O2 and return the program; None where there is no compiler or it fails."""
    command = compiler()
    if command is None:
        return None
    text = (HERE / source).read_bytes()
    digest = hashlib.sha256(text + command.encode() + " ".join(options).encode()).hexdigest()[:16]
    target = _cache() / f"{Path(source).stem}-{digest}"
    if not target.exists():
        partial = target.with_suffix(f".{os.getpid()}")
        flags = [option for option in options if option.startswith("-D")]
        libraries = [option for option in options if option not in flags]
        call = [command, "-O2", *flags, str(HERE / source), "-o", str(partial), *libraries]
        if subprocess.run(call, capture_output=True, check=False).returncode:
            return None
        partial.replace(target)
    return target


def build_load() -> tuple[Path | None, bool]:
    """The load generator and whether it speaks TLS (with OpenSSL's headers it does)."""
    with_tls = build("load.c", *_TLS)
    return (with_tls, True) if with_tls else (build("load.c"), False)
