"""A token bucket in Redis: counted in one round trip, so that clients at once cannot pass the limit together."""

import threading
import time

import redis
from django.conf import settings

from core.outage_lines import OutageLine

PAUSE = 3.0  # seconds; while the broker is away only one request in so long waits for it
# Redis' own clock counts, because the clocks of our hosts disagree. Gives 0, or the milliseconds to wait.
TAKE = """
local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000)
local rate, burst = ARGV[1] / 1000, tonumber(ARGV[2])
local kept = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = tonumber(kept[1]) or burst
left = math.min(burst, left + math.max(0, at - (tonumber(kept[2]) or at)) * rate)
if left < 1 then return math.ceil((1 - left) / rate) end
redis.call('HSET', KEYS[1], 'left', string.format('%.6f', left - 1), 'at', string.format('%d', at))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate) + 1000)
return 0
"""


class Bucket:
    """A limit of `rate` a second with bursts of `burst`, for each key by itself."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None
        self._away_until = 0.0
        self._outage = OutageLine("throttle_open", "throttle_back")

    def take(self, key: str, *, rate: float, burst: int) -> float:
        """Return 0 when there is room, else the seconds to wait. Without a broker there is always room."""
        if time.monotonic() < self._away_until:
            return 0
        try:
            wait = self._broker().eval(TAKE, 1, f"moreh:throttle:{self._name}:{key}", rate, burst)
        except redis.RedisError as error:
            self._away_until = time.monotonic() + PAUSE
            self._outage.failed(error, bucket=self._name)
            return 0
        self._outage.works(bucket=self._name)
        return float(wait) / 1000

    def _broker(self) -> redis.Redis:
        with self._lock:
            if self._client is None:
                self._client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
            return self._client
