"""Keeping claims while their runs last: one thread a process, which ends when there is nothing to keep."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

from cb_decorators.errors import StoreError
from cb_decorators.stores import Store

__all__ = ["Leases"]


class Leases:
    """The claims that this process holds in one store, renewed three times within their length."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[str, tuple[str, str]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()

    @contextlib.contextmanager
    def held(self, function: str, call: str, token: str) -> Iterator[None]:
        """Renew the claim until the block is left."""
        if self._process != os.getpid():  # forked: the thread is the parent's, and so are its claims
            self._held, self._thread, self._changed = {}, None, threading.Condition()
            self._process = os.getpid()
        with self._changed:
            self._held[token] = (function, call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew, name="cb-decorators leases", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._held.pop(token, None)

    def _renew(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(self._store.lock_ttl / 3)
                held = dict(self._held)
                if not held:
                    self._thread = None
                    return
            for token, (function, call) in held.items():
                with contextlib.suppress(StoreError):  # a claim that is lost is seen when its result is published
                    self._store.renew(function, call, token)
