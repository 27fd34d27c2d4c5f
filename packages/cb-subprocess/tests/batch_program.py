"""A batch to be killed: ``batch_program.py FOLDER JOBS``; each job adds its number to FOLDER/ran when it is done."""

from __future__ import annotations

import sys

from cb_subprocess import batch

folder, jobs = sys.argv[1], int(sys.argv[2])
script = 'setsid sleep 0.00$(($1 % 5)); echo "$1" >> "$2/ran"'
commands = [["sh", "-c", script, "sh", str(number), folder] for number in range(1, jobs + 1)]
for _ in batch(commands, at_once=4, joblog=f"{folder}/log", resume="all", grace=0.5):
    pass
