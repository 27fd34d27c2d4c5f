"""When one machine is not enough: functions that go to Dask's workers, lines that go to DuckDB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys
import dask.bag
from cb_dict import diff, getter
from distributed import Client, LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        records = dask.bag.read_text(sys.argv[1], blocksize=4096).map(json.loads)
        total = records.map(getter("user.amount")).sum()
        changed = records.map(lambda one: len(diff(one, {**one, "seen": True}))).sum()
        print(json.dumps([total.compute(), changed.compute()]))
"""


def test_a_dask_cluster(tmp_path: Path) -> None:
    """``getter`` and ``diff`` run in the workers of a real cluster, over blocks of JSON Lines."""
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps({"user": {"amount": number}}) + "\n" for number in range(1000)))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), str(file)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    assert (done.stdout, done.returncode) == ("[499500, 1000]\n", 0), done.stderr


def test_duckdb_reads_what_get_prints(tmp_path: Path) -> None:
    """One array of a large document, printed record by record, is a table for DuckDB."""
    import duckdb

    file = tmp_path / "big.json"
    file.write_text(
        json.dumps({"events": [{"type": "push", "n": 1}, {"type": "fork", "n": 2}, {"type": "push", "n": 3}]})
    )
    lines = tmp_path / "events.jsonl"
    with lines.open("w") as out:
        command = [sys.executable, "-m", "cb_dict", "get", str(file), "events[*]"]
        subprocess.run(command, stdout=out, check=True)
    with duckdb.connect() as connection:
        query = "select type, sum(n)::int from read_json(?) group by type order by type"
        assert connection.execute(query, [str(lines)]).fetchall() == [("fork", 2), ("push", 4)]
