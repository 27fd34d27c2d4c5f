"""What the tests share: the command as a user runs it, and functions that child processes can import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import forked

HERE = Path(__file__).parent
# For children of children: a cluster's workers start from the environment, not from sys.path.
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])

# A suite that runs in the background ignores Ctrl-C, and what it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

FULL = os.environ.get("CB_FAULTS") == "full"

Done = subprocess.CompletedProcess[bytes]


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., Done]:
    """Run ``cb-map`` in the test's folder: words, and bytes or text for stdin."""

    def run(*words: str, stdin: bytes | str = b"", **options: Any) -> Done:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        return forked.run("cb_map", words, data=data, cwd=tmp_path, **options)

    return run
