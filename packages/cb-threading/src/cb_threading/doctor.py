"""What this machine offers to threads and to a fetch."""

from __future__ import annotations

import os
import platform
import resource
import sys
import threading
import urllib.request
from importlib.metadata import version

from cb_threading.trust import certificates

__all__ = ["examine"]


def examine() -> tuple[dict[str, object], list[str]]:
    """Facts by name, and what should be mended, in words."""
    facts: dict[str, object] = {"python": platform.python_version(), "cores": os.cpu_count()}
    facts["gil"] = getattr(sys, "_is_gil_enabled", lambda: True)()
    facts["switch_interval"] = sys.getswitchinterval()
    facts["threads"] = threading.active_count()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    facts["open_files"] = soft
    facts["certificates"] = certificates()
    facts["proxies"] = urllib.request.getproxies()
    facts["protego"] = version("protego")
    advice: list[str] = []
    try:
        import pycurl
    except ImportError:
        facts["engine"] = "http (standard library)"
        advice.append("no pycurl: no HTTP/2, and slower (pip install pycurl)")
    else:
        facts["engine"] = "curl"
        facts["pycurl"] = pycurl.version
        facts["http2"] = bool(pycurl.version_info()[4] & pycurl.VERSION_HTTP2)
    if soft < 256:
        advice.append(f"only {soft} open files (ulimit -n 1024)")
    if facts["certificates"] is None:
        advice.append("no certificates found: https will fail (install ca-certificates, or set SSL_CERT_FILE)")
    return facts, advice
