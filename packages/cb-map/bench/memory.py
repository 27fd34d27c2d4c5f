"""How much memory a process has had at most."""

from __future__ import annotations

from pathlib import Path


def peak(pid: int) -> int:
    """Kilobytes, of Linux's VmHWM; 0 elsewhere, and for a process that has ended.

    Not ``ru_maxrss``: a child inherits that from the process that started it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) if lines else 0
