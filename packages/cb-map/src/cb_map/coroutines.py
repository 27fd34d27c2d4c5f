"""The backend for coroutines: an asyncio event loop, the caller's or one of our own."""

from __future__ import annotations

import asyncio
import threading
from time import perf_counter
from typing import Any

from cb_map.chunk import Job, Outcome, of_item, with_traceback
from cb_map.futures import Futures


def event_loop(job: Job, workers: int | None, loop: asyncio.AbstractEventLoop | None) -> Futures:
    """Coroutines in *loop*, or in one of our own that runs in a thread for as long as it is needed."""
    if loop is not None:
        running, finish = loop, None
    else:
        running = asyncio.new_event_loop()
        thread = threading.Thread(target=running.run_forever, name="cb-map-loop", daemon=True)
        thread.start()

        def finish() -> None:
            asyncio.run_coroutine_threadsafe(_drain(), running).result()
            running.call_soon_threadsafe(running.stop)
            thread.join()
            running.close()

    def send(rows: list[Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(_run_one(job, rows[0]), running)

    return Futures(send, lambda outcome: outcome, slots=workers or 64, largest=1, finish=finish)


async def _drain() -> None:
    """Wait for what was cancelled."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*tasks, return_exceptions=True)


async def _run_one(job: Job, row: Any) -> Outcome:
    began = perf_counter()
    outcome = Outcome([None])
    for attempt in range(job.retries + 1):
        outcome.retried = attempt
        try:
            outcome.results[0] = await (job.fn(*row) if job.spread else job.fn(row))
            outcome.failures.clear()
            break
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # the item's outcome; past a task, SystemExit would end the loop
            outcome.failures = [(0, with_traceback(of_item(error)))]
    outcome.seconds = perf_counter() - began
    return outcome
