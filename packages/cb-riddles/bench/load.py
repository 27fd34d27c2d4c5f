"""wrk, alone on the last core, and what it sends."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

LAST = (os.cpu_count() or 1) - 1
PINNED = ["taskset", "-c", str(LAST)] if LAST and shutil.which("taskset") else []


def wrk(address: str, seconds: int, script: str = "", connections: int = 16) -> tuple[float, float]:
    """Requests a second, and the 99th percentile in ms; an answer that is an error is no result."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        lua = ["-s", file.name] if script else []
        line = [*PINNED, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", *lua]
        out = subprocess.run([*line, address], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out:
        sys.exit(f"{address}: {out}")
    value, unit = re.search(r"99%\s+([0-9.]+)(us|ms|s)", out).groups()
    milliseconds = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", out)[1]), milliseconds


def header(name: str, value: str) -> str:
    """The script that sends a header."""
    return f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n"


def any_riddle(count: int) -> str:
    """The script that asks for one riddle after the other, here and there in all of them."""
    return f"""local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/riddles/" .. (1 + (n * 7919) % {count}) .. "/")
end
"""


def older(address: str) -> str:
    """The path of the list's second page."""
    with urlopen(f"{address}/riddles/") as response:
        return "/riddles/" + re.search(r'href="(\?before=[^"]+)"', response.read().decode())[1]


def answer_script(address: str, riddle: int) -> str:
    """The script of a wrong answer, with the cookies and the token of one visitor."""
    with urlopen(f"{address}/riddles/{riddle}/") as response:
        page = response.read().decode()
        cookies = "; ".join(one.partition(";")[0] for one in response.headers.get_all("Set-Cookie"))
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    for key in re.findall(r'name="option"[^>]*? value="([^"]+)"', page):
        body = urlencode({"csrfmiddlewaretoken": token, "option": key})
        request = Request(f"{address}/riddles/{riddle}/answer/", body.encode(), {"Cookie": cookies})
        try:
            with urlopen(request) as response:
                text, url = response.read().decode(), response.url
        except HTTPError as error:
            sys.exit(f"{address}: {error}")
        if "Nice!" not in text and url.rstrip("/") != f"{address}/riddles":
            kind = header("Content-Type", "application/x-www-form-urlencoded")
            return f'wrk.method = "POST"\nwrk.body = {json.dumps(body)}\n{kind}{header("Cookie", cookies)}'
    sys.exit(f"{address}: no wrong option found")
