"""Results shared by processes on any number of hosts, in Redis or Valkey. Needs ``cb-decorators[redis]``.

Each operation is one script, which the server runs as a whole. Keys, after the prefix: ``r:FUNCTION:CALL`` a result,
``c:FUNCTION:CALL`` a claim, ``w:TOKEN`` what a run waits for, ``n`` the counts; what is published on the channel
``c:FUNCTION:CALL`` wakes those who wait.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, Self

from cb_decorators.codec import codec_of
from cb_decorators.errors import DecoratorError, StoreUnavailable
from cb_decorators.policy import Seconds, seconds_of
from cb_decorators.stores import Claim, StoreStats

if TYPE_CHECKING:
    import redis

__all__ = ["RedisStore"]

# KEYS: result, claim, counts. ARGV: token, lease in ms, fresh, function, prefix of waits, tokens of the runs around.
_CLAIM = """
for i = 6, #ARGV do redis.call('SREM', ARGV[5] .. ARGV[i], KEYS[2]) end
local value = ARGV[3] == '0' and redis.call('GET', KEYS[1])
if value then
  redis.call('HINCRBY', KEYS[3], 'hits:' .. ARGV[4], 1)
  return {'found', value, redis.call('PTTL', KEYS[1])}
end
local owner = redis.call('GET', KEYS[2])
if owner then
  local around, seen, ahead = {}, {}, {owner}
  for i = 6, #ARGV do around[ARGV[i]] = true end
  while #ARGV > 5 and #ahead > 0 do
    local token = table.remove(ahead)
    if around[token] then
      redis.call('HINCRBY', KEYS[3], 'misses:' .. ARGV[4], 1)
      return {'alone', '', -1}
    end
    if not seen[token] then
      seen[token] = true
      for _, claim in ipairs(redis.call('SMEMBERS', ARGV[5] .. token)) do
        local other = redis.call('GET', claim)
        if other then table.insert(ahead, other) end
      end
    end
  end
  for i = 6, #ARGV do
    redis.call('SADD', ARGV[5] .. ARGV[i], KEYS[2])
    redis.call('PEXPIRE', ARGV[5] .. ARGV[i], ARGV[2])
  end
  return {'busy', '', -1}
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('HINCRBY', KEYS[3], 'misses:' .. ARGV[4], 1)
return {'claimed', '', -1}
"""
# KEYS: result, claim, waits. ARGV: token, keep or not, value, lifetime in ms or -1.
_PUBLISH = """
redis.call('DEL', KEYS[3])
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if ARGV[2] == '1' then
  redis.call('SET', KEYS[1], ARGV[3])
  if ARGV[4] ~= '-1' then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
end
redis.call('PUBLISH', KEYS[2], '1')
return 1
"""
# KEYS: claim, waits. ARGV: token, lease in ms.
_RENEW = """
redis.call('PEXPIRE', KEYS[2], ARGV[2])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


class RedisStore:
    """A store on the server that *client* talks to.

    Args:
        client: A ``redis.Redis`` (or ``valkey.Valkey``) that returns bytes, or a URL like ``redis://host:6379/0``,
            opened with time-outs of two seconds. Not for Redis Cluster.
        prefix: What all keys start with; choose one for each application.
        codec, local_ttl, lock_ttl, strict: See :class:`~cb_decorators.stores.Store`.

    Raises:
        DecoratorError: The client decodes replies, the URL cannot be read, or redis is not installed.
    """

    def __init__(
        self,
        client: redis.Redis | str,
        *,
        prefix: str = "cb-decorators",
        codec: str = "json",
        local_ttl: Seconds = 0,
        lock_ttl: Seconds = 10,
        strict: bool = False,
    ) -> None:
        try:
            import redis
        except ImportError as error:
            raise DecoratorError("RedisStore: redis is not installed (pip install 'cb-decorators[redis]')") from error
        codec_of(codec)
        self._own = isinstance(client, str)
        self._closed = False
        if isinstance(client, str):
            try:
                client = redis.Redis.from_url(client, socket_timeout=2, socket_connect_timeout=2)
            except ValueError as error:
                raise DecoratorError(f"{client}: {error}") from error
        if client.connection_pool.connection_kwargs.get("decode_responses"):
            raise DecoratorError("RedisStore keeps bytes: make the client without decode_responses=True")
        self.codec: str = codec
        self.local_ttl: float = seconds_of(local_ttl, "local_ttl") if local_ttl else 0.0
        self.lock_ttl: float = seconds_of(lock_ttl, "lock_ttl")
        self.strict: bool = strict
        self._client: Any = client
        self._prefix = prefix
        self._claim = self._client.register_script(_CLAIM)
        self._publish = self._client.register_script(_PUBLISH)
        self._renew = self._client.register_script(_RENEW)
        self._errors = (redis.RedisError, OSError)

    def claim(self, function: str, call: str, token: str, within: Sequence[str] = (), *, fresh: bool = False) -> Claim:
        keys = [self._key("r", function, call), self._key("c", function, call), self._key("n")]
        with self._talking():
            state, value, left = self._claim(
                keys, [token, self._milliseconds(self.lock_ttl), int(fresh), function, self._key("w", ""), *within]
            )
        return Claim(state.decode(), value, left / 1000 if left >= 0 else inf)

    def publish(self, function: str, call: str, token: str, value: bytes | None, lifetime: float = inf) -> bool:
        keys = [self._key("r", function, call), self._key("c", function, call), self._key("w", token)]
        keep = value is not None and lifetime > 0
        milliseconds = -1 if lifetime == inf else self._milliseconds(lifetime)
        with self._talking():
            return bool(self._publish(keys, [token, int(keep), value or b"", milliseconds]))

    def renew(self, function: str, call: str, token: str) -> bool:
        keys = [self._key("c", function, call), self._key("w", token)]
        with self._talking():
            return bool(self._renew(keys, [token, self._milliseconds(self.lock_ttl)]))

    def wait(self, function: str, call: str, timeout: float) -> None:
        claim = self._key("c", function, call)
        end = time.monotonic() + timeout
        with self._talking(), self._client.pubsub() as channel:
            channel.subscribe(claim)
            while (left := end - time.monotonic()) > 0:
                message = channel.get_message(timeout=left)
                # Subscribed now: what was published before is not heard, but then the claim is gone.
                if message and (message["type"] == "message" or not self._client.exists(claim)):
                    return

    def contains(self, function: str, call: str) -> bool:
        with self._talking():
            return bool(self._client.exists(self._key("r", function, call)))

    def put(self, function: str, call: str, value: bytes, lifetime: float = inf) -> None:
        with self._talking(), self._client.pipeline(transaction=True) as pipe:
            pipe.delete(self._key("c", function, call))
            if lifetime > 0:
                pipe.set(
                    self._key("r", function, call), value, px=None if lifetime == inf else self._milliseconds(lifetime)
                )
            pipe.publish(self._key("c", function, call), "1")
            pipe.execute()

    def delete(self, function: str, call: str) -> bool:
        with self._talking(), self._client.pipeline(transaction=True) as pipe:
            pipe.delete(self._key("c", function, call))
            pipe.delete(self._key("r", function, call))
            pipe.publish(self._key("c", function, call), "1")
            return bool(pipe.execute()[1])

    def clear(self, function: str | None = None) -> int:
        gone = 0
        with self._talking():
            for kind in ("c", "r"):
                gone = 0
                batch: list[bytes] = []
                for key in self._scan(kind, function):
                    batch.append(key)
                    if len(batch) == 500:
                        gone += self._client.unlink(*batch)
                        batch.clear()
                gone += self._client.unlink(*batch) if batch else 0
            counts = self._key("n")
            if function is None:
                self._client.delete(counts)
            else:
                self._client.hdel(counts, f"hits:{function}", f"misses:{function}")
        return gone

    def stats(self) -> list[StoreStats]:
        with self._talking():
            counted: dict[str, list[int]] = {}
            for key in self._scan("r", None):
                name = key.decode()[len(self._key("r", "")) :].rpartition(":")[0]
                found = counted.setdefault(name, [0, 0, 0, 0])
                found[0] += 1
                found[1] += self._client.strlen(key)
            for field, number in self._client.hgetall(self._key("n")).items():
                kind, _, name = field.decode().partition(":")
                counted.setdefault(name, [0, 0, 0, 0])[2 if kind == "hits" else 3] = int(number)
        return [StoreStats(name, *counted[name]) for name in sorted(counted)]

    def close(self) -> None:
        if self._own:
            self._closed = True
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _key(self, *parts: str) -> str:
        return ":".join([self._prefix, *parts])

    def _scan(self, kind: str, function: str | None) -> Iterator[bytes]:
        fixed = self._key(kind, "") if function is None else self._key(kind, function, "")
        pattern = "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in fixed) + "*"
        yield from self._client.scan_iter(match=pattern, count=500)

    @staticmethod
    def _milliseconds(seconds: float) -> int:
        return max(1, int(seconds * 1000))

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        if self._closed:
            raise StoreUnavailable("Redis: the store is closed")
        try:
            yield
        except self._errors as error:
            raise StoreUnavailable(f"Redis: {error}") from error
        finally:
            if self._closed:  # meanwhile, by another thread: the client connects again by itself
                self._client.close()
