"""What a Redis server holds of a store."""

import redis

from feature_platform.online.redis import Redis
from feature_platform.online.redis_server import server_at


def client_of(store: Redis) -> redis.Redis:
    return server_at(store.url, store.timeout)._client


def names(store: Redis) -> list[str]:
    found = client_of(store).keys(f"{store.prefix}:*")
    return sorted(name.decode().removeprefix(f"{store.prefix}:") for name in found)
