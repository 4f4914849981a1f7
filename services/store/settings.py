"""The store's settings; the table in docs/settings.md is printed from here."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from services.common.config import (
    ADDRESS,
    INTEGER,
    LIST,
    PATH,
    SECONDS,
    SECRET,
    SIZE,
    TEXT,
    Address,
    CommonSettings,
    Secret,
    SettingError,
    setting,
)

ROLES = ("api", "collect")
# What the client of S3 takes, so that it never complains later.
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, kw_only=True)
class StoreSettings(CommonSettings):
    """Settings of `python -m services.store`."""

    listen: Address = setting(ADDRESS, "127.0.0.1:10051", "Where the gRPC API listens", "0.0.0.0:10051")
    roles: tuple[str, ...] = setting(LIST, "api,collect", "What this process does: api, collect", "api")
    redis_url: Secret = setting(SECRET, None, "Redis, alone or any node of a Cluster", "redis://redis:6379/0")
    redis_timeout: float = setting(SECONDS, "3", "A round trip to Redis may take this long")
    redis_wait_replicas: int = setting(
        INTEGER, "0", "Replicas that must acknowledge a write before it is acknowledged"
    )
    bodies_dir: Path | None = setting(
        PATH, "", "Keep bodies in this folder instead of S3", "/var/lib/buuta/bodies"
    )
    s3_endpoint: str = setting(
        TEXT, "", "S3 for bodies; needed unless BODIES_DIR is set", "http://minio:9000"
    )
    s3_access_key: Secret = setting(SECRET, "", "Access key of S3")
    s3_secret_key: Secret = setting(SECRET, "", "Secret key of S3")
    s3_bucket: str = setting(TEXT, "buuta", "Bucket of the bodies")
    cluster_key: Secret = setting(
        SECRET, None, "Signs tokens; the same in all stores, at least 16 characters", "openssl rand -hex 32"
    )
    default_domain: str = setting(TEXT, "", "Domain of user names without one", "example.org")
    max_message_size: int = setting(SIZE, "150M", "Largest message that is stored")
    view_cache_bytes: int = setting(SIZE, "256M", "Memory for the arrays of recently used mailboxes")
    log_retention: int = setting(INTEGER, "1000", "Changes a shard keeps for those who watch")
    redo_log_bytes: int = setting(INTEGER, "8192", "Redo log that a shard keeps")
    garbage_grace: float = setting(SECONDS, "24h", "Bodies of expunged messages are kept this long")
    tombstone_retention: float = setting(
        SECONDS, "30d", "Expunged messages are known as such for at least this long"
    )

    def __post_init__(self) -> None:
        if unknown := set(self.roles) - set(ROLES):
            raise SettingError(f"ROLES is malformed: {', '.join(sorted(unknown))}: of {', '.join(ROLES)}")
        if not self.roles:
            raise SettingError("ROLES is malformed: at least one role is needed")
        if len(self.cluster_key) < 16:
            raise SettingError("CLUSTER_KEY is malformed: at least 16 characters are needed")
        self._check_redis()
        if self.bodies_dir is None:
            self._check_s3()

    def _check_redis(self) -> None:
        if not self.redis_url.startswith(("redis://", "rediss://", "unix://")):
            raise SettingError("REDIS_URL is malformed: redis://, rediss:// or unix:// is needed")
        try:
            parts = urlsplit(self.redis_url)
            complete = bool(parts.port is None or parts.port) and bool(
                parts.hostname or parts.scheme == "unix"
            )
        except ValueError:  # the port is no number, or an IPv6 address is not whole
            complete = False
        if not complete:
            raise SettingError("REDIS_URL is malformed: redis://HOST:PORT/NUMBER is needed")

    def _check_s3(self) -> None:
        if not self.s3_endpoint:
            raise SettingError("S3_ENDPOINT is not set: S3 for bodies, or BODIES_DIR for a folder")
        if not _ENDPOINT.fullmatch(self.s3_endpoint):
            raise SettingError(f"S3_ENDPOINT is malformed: {self.s3_endpoint!r}: http://HOST:PORT is needed")
        for variable, value in (("S3_ACCESS_KEY", self.s3_access_key), ("S3_SECRET_KEY", self.s3_secret_key)):
            if not value:
                raise SettingError(f"{variable} is not set: S3_ENDPOINT needs it")
        if not _BUCKET.fullmatch(self.s3_bucket):
            raise SettingError(f"S3_BUCKET is malformed: {self.s3_bucket!r}: a name of a bucket is needed")
