"""A list of URLs on disk: fast, polite, crash-safe, and the threading toolkit under it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cb_threading.checking import Check, verify
    from cb_threading.context import ThreadContext, ThreadInfo, thread_info
    from cb_threading.errors import (
        BadInput,
        Collision,
        FetchError,
        StoreError,
        ThreadingError,
        UnknownRecord,
        WouldDeadlock,
    )
    from cb_threading.fetching import Fetch, fetch
    from cb_threading.limiter import Limiter, LimiterStatistics
    from cb_threading.market import MarketReport, Product, Purchase, Sales, run_market
    from cb_threading.plan import Job
    from cb_threading.policy import Policy, Retry, Timeout
    from cb_threading.racing import Finish, race
    from cb_threading.repository import Repository, RepositoryStatistics, Transaction
    from cb_threading.results import Progress, Report, Result
    from cb_threading.rwlock import RWLock, RWLockStatistics
    from cb_threading.timers import Handle, TimerService, TimerStatistics
    from cb_threading.workers import GroupStatistics, Worker, WorkerGroup, spawn

__version__ = "0.1.0"
__all__ = [
    "BadInput",
    "Check",
    "Collision",
    "Fetch",
    "FetchError",
    "Finish",
    "GroupStatistics",
    "Handle",
    "Job",
    "Limiter",
    "LimiterStatistics",
    "MarketReport",
    "Policy",
    "Product",
    "Progress",
    "Purchase",
    "RWLock",
    "RWLockStatistics",
    "Report",
    "Repository",
    "RepositoryStatistics",
    "Result",
    "Retry",
    "Sales",
    "StoreError",
    "ThreadContext",
    "ThreadInfo",
    "ThreadingError",
    "Timeout",
    "TimerService",
    "TimerStatistics",
    "Transaction",
    "UnknownRecord",
    "Worker",
    "WorkerGroup",
    "WouldDeadlock",
    "__version__",
    "fetch",
    "race",
    "run_market",
    "spawn",
    "thread_info",
    "verify",
]

_HOMES = {
    "context": "ThreadContext ThreadInfo thread_info",
    "errors": "BadInput Collision FetchError StoreError ThreadingError UnknownRecord WouldDeadlock",
    "fetching": "Fetch fetch",
    "limiter": "Limiter LimiterStatistics",
    "market": "MarketReport Product Purchase Sales run_market",
    "plan": "Job",
    "policy": "Policy Retry Timeout",
    "racing": "Finish race",
    "repository": "Repository RepositoryStatistics Transaction",
    "results": "Progress Report Result",
    "rwlock": "RWLock RWLockStatistics",
    "timers": "Handle TimerService TimerStatistics",
    "checking": "Check verify",
    "workers": "GroupStatistics Worker WorkerGroup spawn",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import what is used, when it is used: the command answers at once, and needs no engine to time something."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
