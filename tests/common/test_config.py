"""Settings: kinds, defaults, complaints, and the table that the docs print."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from services.common import config
from services.common.config import Address, CommonSettings, FrontEndSettings, Secret, SettingError, load


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    required: str = config.setting(config.TEXT, None, "Must be there", "x")
    key: Secret = config.setting(config.SECRET, None, "A secret")
    size: int = config.setting(config.SIZE, "50M", "A size")
    wait: float = config.setting(config.SECONDS, "1.5", "A time")
    flag: bool = config.setting(config.BOOLEAN, "false", "A flag")
    listen: Address | None = config.setting(config.LISTEN, "127.0.0.1:25", "An address")
    folder: Path | None = config.setting(config.PATH, "", "A folder")
    words: tuple[str, ...] = config.setting(config.LIST, "a,b", "Words")


GIVEN = {"REQUIRED": "yes", "KEY": "hidden"}


def test_defaults() -> None:
    settings = load(Settings, GIVEN)
    assert (settings.required, settings.key) == ("yes", "hidden")
    assert (settings.size, settings.wait, settings.flag) == (50 * 1024 * 1024, 1.5, False)
    assert settings.listen == Address("127.0.0.1", 25)
    assert settings.folder is None
    assert settings.words == ("a", "b")
    assert settings.hostname


def test_a_settings_object_can_be_made_without_an_environment() -> None:
    assert Settings(required="x", key=Secret("y"), size=3).size == 3


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("SIZE", "1000", "size", 1000),
        ("SIZE", "64k", "size", 65536),
        ("SIZE", "2G", "size", 2 << 30),
        ("SIZE", "", "size", 50 << 20),
        ("WAIT", "0", "wait", 0.0),
        ("WAIT", "15m", "wait", 900.0),
        ("WAIT", "24h", "wait", 86400.0),
        ("WAIT", "30d", "wait", 2592000.0),
        ("FLAG", "Yes", "flag", True),
        ("FLAG", "0", "flag", False),
        ("LISTEN", "", "listen", None),
        ("LISTEN", "[::1]:143", "listen", Address("::1", 143)),
        ("FOLDER", "/data", "folder", Path("/data")),
        ("WORDS", " x , y,", "words", ("x", "y")),
        ("WORDS", "", "words", ()),
        ("HOSTNAME", "mx.example.test", "hostname", "mx.example.test"),
    ],
)
def test_values(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(load(Settings, {**GIVEN, variable: text}), name) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SIZE", "M"),
        ("SIZE", "-1"),
        ("SIZE", "5X"),
        ("WAIT", "soon"),
        ("WAIT", "-1"),
        ("WAIT", "inf"),
        ("WAIT", "nan"),
        ("FLAG", "maybe"),
        ("LISTEN", "143"),
        ("LISTEN", ":143"),
        ("LISTEN", "localhost:imap"),
        ("LISTEN", "localhost:70000"),
        ("LISTEN", "::1:143"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_malformed(variable: str, text: str) -> None:
    with pytest.raises(SettingError, match=rf"^{variable} is malformed: '.*': .+$"):
        load(Settings, {**GIVEN, variable: text})


def test_missing() -> None:
    with pytest.raises(SettingError, match=r"^REQUIRED is not set: Must be there$"):
        load(Settings, {"KEY": "x"})
    with pytest.raises(SettingError, match=r"^KEY is not set"):
        load(Settings, {"REQUIRED": "x", "KEY": ""})


def test_secrets_do_not_show() -> None:
    settings = load(Settings, GIVEN)
    assert "hidden" not in repr(settings)
    assert f"Bearer {settings.key}" == "Bearer hidden"


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from a file\n")
    given = {"REQUIRED": "x", "KEY_FILE": str(file)}
    assert load(Settings, given).key == "from a file"
    assert load(Settings, {**given, "KEY": "hidden"}).key == "hidden"
    with pytest.raises(SettingError, match=r"^REQUIRED is not set"):  # it is no secret
        load(Settings, {"KEY": "x", "REQUIRED_FILE": str(file)})


def test_a_file_without_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "key"
    given = {"REQUIRED": "x", "KEY_FILE": str(file)}
    with pytest.raises(SettingError, match=r"^KEY_FILE is malformed: '.*': No such file or directory$"):
        load(Settings, given)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingError, match=r"^KEY_FILE is malformed: '.*': it is not text$"):
        load(Settings, given)
    file.write_text("\n")
    with pytest.raises(SettingError, match=r"^KEY is not set"):
        load(Settings, given)


def test_networks_and_endpoints() -> None:
    given = {
        "SERVICE_TOKEN": "x",
        "STORE_ENDPOINTS": "store:1, [::1]:2",
        "TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8",
    }
    settings = load(FrontEndSettings, given)
    assert settings.store_endpoints == (Address("store", 1), Address("::1", 2))
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    with pytest.raises(SettingError, match=r"^TRUSTED_PROXIES is malformed"):
        load(FrontEndSettings, {**given, "TRUSTED_PROXIES": "10.0.0.1/8"})


def test_table_has_a_row_for_every_setting() -> None:
    rows = config.table(Settings).splitlines()
    assert len(rows) == 2 + len(list(config.declared(Settings)))
    assert "| `REQUIRED` | text | required | Must be there | `x` |" in rows
    assert "| `SIZE` | octets | `50M` | A size |  |" in rows
