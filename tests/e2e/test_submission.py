"""SMTP as mail programs and other servers speak it: who may send what, and where to."""

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.platform import Platform, run_tool

MESSAGE = "From: bob@example.test\r\nSubject: x\r\n\r\nText\r\n"


@contextmanager
def submission(platform: Platform) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("localhost", platform.port(587), timeout=60) as server:
        server.starttls(context=platform.tls)
        yield server


def swaks(platform: Platform, user: str, *options: str) -> tuple[int, str]:
    """swaks' exit code and the dialogue."""
    done = run_tool(["swaks", "--server", "localhost", "--to", user, "--from", "bob@example.test", *options])
    return done.returncode, done.stdout + done.stderr


def test_starttls_and_login(platform: Platform, user: str) -> None:
    with submission(platform) as server:
        assert "starttls" not in server.esmtp_features, "forgotten with what came in clear"
        server.login("bob@example.test", "bob")
        server.sendmail("bob@example.test", [user], MESSAGE)
    assert platform.subjects(user=user) == ["x"]


def test_tls_from_the_first_octet(platform: Platform, user: str) -> None:
    with smtplib.SMTP_SSL("localhost", platform.port(465), context=platform.tls, timeout=60) as server:
        server.login("bob", "bob")  # the local part alone, in the default domain
        server.sendmail("bob@example.test", [user], MESSAGE)
    assert platform.subjects(user=user) == ["x"]


def test_no_relay_without_authentication(platform: Platform) -> None:
    with smtplib.SMTP("localhost", platform.port(25), timeout=60) as server:
        server.ehlo()
        assert not server.has_extn("auth")
        server.mail("c@example.net")
        code, text = server.rcpt("someone@elsewhere.test")
        assert (code, text) == (550, b"5.7.1 Relaying denied")
    for port in (587, 465):
        connect = smtplib.SMTP_SSL if port == 465 else smtplib.SMTP
        with connect("localhost", platform.port(port), timeout=60, **_context(platform, port)) as server:
            server.ehlo()
            assert server.mail("bob@example.test")[0] == 530


def _context(platform: Platform, port: int) -> dict[str, object]:
    return {"context": platform.tls} if port == 465 else {}


def test_submission_to_others_is_for_later(platform: Platform) -> None:
    with submission(platform) as server:
        server.login("bob@example.test", "bob")
        server.mail("bob@example.test")
        code, text = server.rcpt("someone@elsewhere.test")
        assert code == 450
        assert text.startswith(b"4.4.0 ")
        assert server.rcpt("nobody-here@example.test")[0] == 550


def test_a_sender_address_must_be_ones_own(platform: Platform) -> None:
    with submission(platform) as server:
        server.login("bob@example.test", "bob")
        assert server.mail("alice@example.test")[0] == 553


@pytest.mark.parametrize("password", ["wrong", ""])
def test_wrong_password(platform: Platform, password: str) -> None:
    with submission(platform) as server, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        server.login("bob@example.test", password)
    assert refused.value.smtp_code == 535


def test_no_password_in_clear(platform: Platform) -> None:
    with smtplib.SMTP("localhost", platform.port(587), timeout=60) as server:
        server.ehlo()
        assert not server.has_extn("auth")
        assert server.docmd("AUTH", "PLAIN AGJvYgBib2I=")[0] == 538


def test_swaks_to_the_mx(platform: Platform, user: str) -> None:
    code, said = swaks(platform, user, "--port", str(platform.port(25)), "--header", "Subject: mx")
    assert code == 0, said
    assert platform.subjects(user=user) == ["mx"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_with_starttls(platform: Platform, user: str, mechanism: str) -> None:
    login = ("--auth", mechanism, "--auth-user", "bob@example.test", "--auth-password", "bob")
    where = ("--port", str(platform.port(587)), "-tls")
    code, said = swaks(platform, user, *where, *login, "--header", "Subject: submitted")
    assert code == 0, said
    assert "=== TLS started" in said
    assert platform.subjects(user=user) == ["submitted"]


def test_swaks_inside_tls(platform: Platform, user: str) -> None:
    login = ("--auth", "PLAIN", "--auth-user", "bob@example.test", "--auth-password", "bob")
    where = ("--port", str(platform.port(465)), "--tls-on-connect")
    code, said = swaks(platform, user, *where, *login, "--header", "Subject: inside")
    assert code == 0, said
    assert platform.subjects(user=user) == ["inside"]


def test_swaks_pipelines(platform: Platform, user: str) -> None:
    code, said = swaks(
        platform, user, "--port", str(platform.port(25)), "--pipeline", "--header", "Subject: at once"
    )
    assert code == 0, said
    assert platform.subjects(user=user) == ["at once"]
