"""Write a batch down for other runners: a script for GNU parallel, or for a Slurm array. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cb_subprocess.command import quote, words
from cb_subprocess.errors import BadCommand
from cb_subprocess.template import Template

__all__ = ["emit"]

_END = "CB_JOBS"


def emit(kind: str, command: Sequence[str], rows: Sequence[Sequence[str]], options: Mapping[str, object]) -> str:
    """Return the script. Each job is a line in it, quoted; ``{%}`` is not known there."""
    template = Template(command, shell=bool(options.get("shell")))
    if template.slotted:
        raise BadCommand("{%} is known only where a job runs (leave it out of what is written for other runners)")
    lines = [quote(words(job)) for job in template.jobs(rows) if not callable(job)]
    jobs = "".join(f"{line}\n" for line in lines) + f"{_END}\n"
    at_once = options.get("jobs")
    if kind == "slurm-array":
        limit = f"%{at_once}" if at_once else ""
        return (
            f"#!/bin/bash\n#SBATCH --array=1-{len(lines)}{limit}\n"
            f"sed -n \"${{SLURM_ARRAY_TASK_ID:?}}p\" <<'{_END}' | bash\n{jobs}"
        )
    names = {"jobs": "-j", "joblog": "--joblog", "timeout": "--timeout", "delay": "--delay", "memfree": "--memfree"}
    flags = [word for name, flag in names.items() if options.get(name) for word in (flag, str(options[name]))]
    if options.get("retries"):
        flags += ["--retries", str(int(str(options["retries"])) + 1)]  # parallel counts the first try
    if options.get("halt", "never") != "never":
        flags += ["--halt", str(options["halt"])]
    flags += ["-k"] * bool(options.get("keep_order")) + ["--resume"] * bool(options.get("resume"))
    flags += ["--resume-failed"] * bool(options.get("resume_failed"))
    hosts = '${CB_SSHLOGIN:+--sshlogin "$CB_SSHLOGIN"}'  # other machines: CB_SSHLOGIN=host1,host2
    return f"#!/bin/sh\nPARALLEL_SHELL=/bin/bash parallel {quote(flags)} {hosts} <<'{_END}'\n{jobs}"
