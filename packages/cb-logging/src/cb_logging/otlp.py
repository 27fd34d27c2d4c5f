"""OpenTelemetry logs over HTTP (OTLP/HTTP, JSON encoding): what any collector takes, without the SDK.

Records are sent in batches from a thread; at most ``capacity`` wait, what comes above that is counted in ``dropped``.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from cb_logging.errors import ConfigError
from cb_logging.sending import fields_of, prepared, redactor_of
from cb_logging.template import message_of, traceback_of
from cb_logging.text import text_of

__all__ = ["OtlpHandler", "otlp_request"]

_SEVERITIES = ((50, 21), (40, 17), (30, 13), (20, 9), (10, 5))


def _value(value: object) -> dict[str, Any]:
    """An ``AnyValue``."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": text_of(value)}


def _attributes(fields: dict[str, object]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in fields.items() if value is not None]


def _record(record: logging.LogRecord, hide: Callable[[str], str]) -> dict[str, Any]:
    fields: dict[str, object] = {
        "code.file.path": record.pathname,
        "code.function.name": record.funcName,
        "code.line.number": record.lineno,
        "thread.id": record.thread,
        "thread.name": record.threadName,
    }
    fields |= fields_of(record)
    if record.exc_info and record.exc_info[0]:
        fields |= {
            "exception.type": record.exc_info[0].__name__,
            "exception.message": hide(text_of(record.exc_info[1])),
            "exception.stacktrace": traceback_of(record),
        }
    return {
        "timeUnixNano": str(int(record.created * 1e9)),
        "severityNumber": next((value for least, value in _SEVERITIES if record.levelno >= least), 1),
        "severityText": record.levelname,
        "body": {"stringValue": message_of(record)},
        "attributes": _attributes(fields),
    }


def otlp_request(records: list[tuple[str, dict[str, Any]]], service: str) -> dict[str, Any]:
    """An ``ExportLogsServiceRequest``: the records of each logger under its name as scope."""
    scopes: dict[str, list[dict[str, Any]]] = {}
    for name, one in records:
        scopes.setdefault(name, []).append(one)
    resource = {"attributes": _attributes({"service.name": service})}
    logs = [{"scope": {"name": name}, "logRecords": some} for name, some in scopes.items()]
    return {"resourceLogs": [{"resource": resource, "scopeLogs": logs}]}


class OtlpHandler(logging.Handler):
    """Sends records to an OTLP/HTTP receiver.

    Args:
        url: Of the receiver's logs, ``http://host:4318/v1/logs``.
        service: The resource's ``service.name``.
        capacity: Records that may wait.
        timeout: Seconds for a request.
    """

    url: str
    service: str
    timeout: float
    dropped: int

    def __init__(self, url: str, *, service: str = "python", capacity: int = 10_000, timeout: float = 5.0) -> None:
        super().__init__()
        if not url.startswith(("http://", "https://")):
            raise ConfigError("handler", url, "is no URL of HTTP")
        self.url, self.service, self.timeout = url, service, timeout
        self.dropped = 0
        self._queue: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(capacity)
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._thread is None or not self._thread.is_alive():  # also in the child of a fork
                self._thread = threading.Thread(target=self._run, name="cb-logging otlp", daemon=True)
                self._thread.start()
            redactor = redactor_of(self)
            self._queue.put_nowait((record.name, _record(prepared(record, redactor), redactor or str)))
        except queue.Full:
            self.dropped += 1
        except Exception:  # noqa: BLE001 - as all handlers of the standard library do
            self.handleError(record)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, more = [first], True
            while more and len(batch) < 512:
                try:
                    one = self._queue.get_nowait()
                except queue.Empty:
                    break
                if one is None:
                    more = False
                else:
                    batch.append(one)
            self._post(batch)
            if not more:
                return

    def _post(self, batch: list[tuple[str, dict[str, Any]]]) -> None:
        import urllib.request

        body = json.dumps(otlp_request(batch, self.service)).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})  # noqa: S310 - HTTP only
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:  # noqa: S310
                answer.read()
        except OSError:
            self.dropped += len(batch)

    def close(self) -> None:
        """Send what waits."""
        thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            self._queue.put(None)
            thread.join(2 * self.timeout)
        super().close()
