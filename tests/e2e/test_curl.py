"""curl as a client of every protocol: inside TLS, and with STARTTLS or STLS, which it must not do without."""

from pathlib import Path

import pytest

from tests.support.platform import Platform, run_tool

MESSAGE = "From: bob@example.test\nSubject: by curl\n\nText\n"


def curl(platform: Platform, *options: str, stdin: str = "") -> str:
    """What it prints; it must succeed."""
    known = ("curl", "-sS", "--max-time", "60", "--cacert", str(platform.certificate))
    done = run_tool([*known, *options], stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_user(user: str) -> tuple[str, str]:
    return "--user", f"{user}:{user.partition('@')[0]}"


@pytest.mark.parametrize(
    ("scheme", "port", "options"),
    [("imaps", 993, ()), ("imap", 143, ("--ssl-reqd",))],
    ids=["tls", "starttls"],
)
def test_imap(
    platform: Platform, user: str, tmp_path: Path, scheme: str, port: int, options: list[str]
) -> None:
    url, login = f"{scheme}://localhost:{platform.port(port)}", (*as_user(user), *options)
    (tmp_path / "m").write_text(MESSAGE.replace("\n", "\r\n"))
    curl(platform, f"{url}/INBOX", *login, "-T", str(tmp_path / "m"))
    assert curl(platform, f"{url}/INBOX;MAILINDEX=1", *login).endswith("Text\n")
    assert "* SEARCH 1" in curl(platform, f"{url}/INBOX?SUBJECT%20curl", *login)
    curl(platform, url, *login, "-X", "CREATE Letters")
    assert "Letters" in curl(platform, url, *login, "-X", 'LIST "" "*"')
    curl(platform, f"{url}/INBOX", *login, "-X", "STORE 1 +FLAGS (\\Deleted)")
    curl(platform, f"{url}/INBOX", *login, "-X", "EXPUNGE")
    assert platform.subjects(user=user) == []


@pytest.mark.parametrize(
    ("scheme", "port", "options"), [("pop3s", 995, ()), ("pop3", 110, ("--ssl-reqd",))], ids=["tls", "stls"]
)
def test_pop3(platform: Platform, user: str, scheme: str, port: int, options: list[str]) -> None:
    url, login = f"{scheme}://localhost:{platform.port(port)}/", (*as_user(user), *options)
    platform.deliver("one", user)
    platform.deliver("two", user)
    assert len(curl(platform, url, *login).split("\n")) == 3
    assert "Subject: two" in curl(platform, url + "2", *login)
    curl(platform, url + "1", *login, "-X", "DELE", "-I")
    assert platform.subjects(user=user) == ["two"]


@pytest.mark.parametrize(
    ("scheme", "port", "options"),
    [("smtps", 465, ()), ("smtp", 587, ("--ssl-reqd",))],
    ids=["tls", "starttls"],
)
def test_smtp(platform: Platform, user: str, scheme: str, port: int, options: list[str]) -> None:
    url = f"{scheme}://localhost:{platform.port(port)}"
    envelope = ("--mail-from", "bob@example.test", "--mail-rcpt", user, "--crlf", "-T", "-")
    curl(platform, url, *as_user("bob@example.test"), *options, *envelope, stdin=MESSAGE)
    assert platform.subjects(user=user) == ["by curl"]
