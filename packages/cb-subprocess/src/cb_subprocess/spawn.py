"""`posix_spawn` that lets other threads run meanwhile.

A start lasts until the new program is loaded: for a short command that is half of its time, and `os.posix_spawn` holds
the interpreter's lock as long. Called by ctypes it does not, so that several threads start several commands at once.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping, Sequence

__all__ = ["Spawner"]

_libc = ctypes.CDLL(None)
_ROOM = 1024  # bytes for what the library keeps in an object of its own: 336 at most in glibc and musl
_SETPGROUP, _SETSIGDEF = 2, 4  # <spawn.h>
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores them, a program that it starts must not


def _called(name: str, *types: type) -> ctypes._NamedFuncPointer:
    function = _libc[name]
    function.argtypes, function.restype = types, ctypes.c_int
    return function


_pointer, _text, _int = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_spawn = _called("posix_spawn", _pointer, _text, _pointer, _pointer, _pointer, _pointer)
_begin = _called("posix_spawn_file_actions_init", _pointer)
_add = _called("posix_spawn_file_actions_adddup2", _pointer, _int, _int)
_end = _called("posix_spawn_file_actions_destroy", _pointer)
_no_attributes = _called("posix_spawnattr_init", _pointer)
_flags = _called("posix_spawnattr_setflags", _pointer, ctypes.c_short)
_defaults = _called("posix_spawnattr_setsigdefault", _pointer, _pointer)
_no_signals = _called("sigemptyset", _pointer)
_signal = _called("sigaddset", _pointer, _int)


class Spawner:
    """Start commands, each in a process group of its own; one thread's, for its memory is used again each time."""

    def __init__(self, env: Mapping[bytes, bytes], variable: bytes) -> None:
        self._variable = variable
        texts = [name + b"=" + value for name, value in env.items() if name != variable]
        self._env = (_text * (len(texts) + 2))(*texts)
        self._own = len(texts)
        self._actions = ctypes.create_string_buffer(_ROOM)
        self._attributes = ctypes.create_string_buffer(_ROOM)
        signals = ctypes.create_string_buffer(_ROOM)
        _no_attributes(self._attributes)
        _no_signals(signals)
        for number in _RESTORED:
            _signal(signals, number)
        _defaults(self._attributes, signals)
        _flags(self._attributes, _SETPGROUP | _SETSIGDEF)

    def spawn(self, path: str, argv: Sequence[str], value: bytes, fds: Sequence[int]) -> int:
        """Start a program with `value` for the variable, and `fds` as its descriptors 0, 1, 2; return its number.

        Raises:
            OSError: It was not started.
        """
        self._env[self._own] = self._variable + b"=" + value
        words = (_text * (len(argv) + 1))(*map(os.fsencode, argv))
        pid = _int()
        _begin(self._actions)
        try:
            for theirs, ours in enumerate(fds):
                _add(self._actions, ours, theirs)
            program = os.fsencode(path)
            error = _spawn(ctypes.byref(pid), program, self._actions, self._attributes, words, self._env)
        finally:
            _end(self._actions)
        if error:
            raise OSError(error, os.strerror(error), path)
        return pid.value
