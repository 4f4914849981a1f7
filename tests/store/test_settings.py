"""The store's settings: what is missing or malformed is said at once, by name."""

import pytest

from services.common.config import SettingError, load
from services.store.settings import StoreSettings

GIVEN = {
    "REDIS_URL": "redis://redis:6379/0",
    "CLUSTER_KEY": "a key for tests only",
    "S3_ENDPOINT": "http://minio:9000",
    "S3_ACCESS_KEY": "key",
    "S3_SECRET_KEY": "secret",
}


@pytest.mark.parametrize(
    "url", ["rediss://:pass%20word@[::1]:6380/1", "unix:///run/redis.sock", "redis://redis"]
)
def test_redis_urls(url: str) -> None:
    assert load(StoreSettings, {**GIVEN, "REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize("endpoint", ["http://minio:9000", "https://s3.example.org/", "http://10.0.0.1:9000"])
def test_endpoints(endpoint: str) -> None:
    assert load(StoreSettings, {**GIVEN, "S3_ENDPOINT": endpoint}).s3_endpoint == endpoint


def test_a_folder_needs_no_s3() -> None:
    given = {"REDIS_URL": GIVEN["REDIS_URL"], "CLUSTER_KEY": GIVEN["CLUSTER_KEY"], "BODIES_DIR": "/data"}
    assert load(StoreSettings, given).s3_endpoint == ""


@pytest.mark.parametrize("variable", GIVEN)
def test_missing(variable: str) -> None:
    given = {name: text for name, text in GIVEN.items() if name != variable}
    with pytest.raises(SettingError, match=rf"^{variable} is not set: .+$"):
        load(StoreSettings, given)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("REDIS_URL", "http://redis"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://redis:secret"),
        ("REDIS_URL", "redis://redis:70000"),
        ("REDIS_URL", "redis://redis:0"),
        ("REDIS_URL", "redis://[::1"),
        ("CLUSTER_KEY", "short"),
        ("S3_ENDPOINT", "minio:9000"),
        ("S3_ENDPOINT", "http://minio:9000/bucket"),
        ("S3_ENDPOINT", "http://"),
        ("S3_BUCKET", "B"),
        ("ROLES", "api,cook"),
        ("ROLES", ","),
        ("LISTEN", "10051"),
    ],
)
def test_malformed(variable: str, text: str) -> None:
    with pytest.raises(SettingError, match=rf"^{variable} is malformed: [^\n]+$") as caught:
        load(StoreSettings, {**GIVEN, variable: text})
    assert "secret" not in str(caught.value)
