"""Trace fields: whatever a client calls itself, Received and Return-Path keep their form (RFC 5321 §4.4)."""

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import Fault
from services.smtp.protocol.commands import Ehlo, parse
from services.smtp.protocol.state import State
from services.smtp.protocol.trace import Hop, missing_fields, trace_fields

HOP = Hop(
    hello="client.example",
    peer="192.0.2.1",
    hostname="mx.example.test",
    extended=True,
    tls=None,
    authenticated=False,
    id="0123abcd",
    recipient="",
    time=int(datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC).timestamp()),
)
TLS = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")

# Time-stamp-line = "Received:" "FROM" FWS Extended-Domain CFWS "BY" FWS Domain Opt-info ";" FWS date-time;
# what stands in place of a domain has no character that would end it.
RECEIVED = re.compile(
    r"from [A-Za-z0-9._:\[\]?-]+ \(\[(?:[0-9.]+|IPv6:[0-9a-f:]+)\]\)( \(using [\w.]+ with cipher \w+\))?"
    r" by [a-z.]+ with (SMTP|ESMTPS?A?) id [0-9a-f]+( for <[^<>]+>)?; ([^;]+)"
)

NAMES = [
    ("client.example", "client.example"),
    ("[192.0.2.7]", "[192.0.2.7]"),
    ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
    ("MY_LAPTOP", "MY_LAPTOP"),
    ("a(b);c", "a?b??c"),
    ('"<x>,@', "??x???"),
    ("\x01\x7f\\", "???"),
]
HOPS = [
    (replace(HOP, extended=False), "SMTP"),
    (HOP, "ESMTP"),
    (replace(HOP, tls=TLS), "ESMTPS"),
    (replace(HOP, authenticated=True), "ESMTPA"),
    (replace(HOP, tls=TLS, authenticated=True), "ESMTPSA"),
]


def received(hop: Hop, reverse_path: str = "") -> re.Match[str]:
    fields = trace_fields(reverse_path, hop)
    assert all(len(line) <= 998 for line in fields.split(b"\r\n"))
    message = email.message_from_bytes(fields + b"\r\n", policy=email.policy.compat32)
    assert message.keys() == ["Return-Path", "Received"]
    assert message["Return-Path"] == f"<{reverse_path}>"
    found = RECEIVED.fullmatch(re.sub(r"\r\n[ \t]+", " ", message["Received"]))
    assert found is not None, message["Received"]
    assert parsedate_to_datetime(found[4]) == datetime.fromtimestamp(hop.time, UTC)
    return found


@pytest.mark.parametrize(("name", "told"), NAMES)
def test_names_of_clients(name: str, told: str) -> None:
    assert f"from {told} (" in received(replace(HOP, hello=name))[0]


@pytest.mark.parametrize(("hop", "word"), HOPS, ids=[word for _, word in HOPS])
def test_with(hop: Hop, word: str) -> None:
    assert received(hop)[2] == word


def test_for_and_the_address_of_the_client() -> None:
    found = received(replace(HOP, peer="2001:db8::5", recipient='"a b"@example.test'), "x@y.example")
    assert found[3] == ' for <"a b"@example.test>'
    assert "([IPv6:2001:db8::5])" in found[0]


@given(st.binary(min_size=1, max_size=260))
def test_any_name_that_ehlo_takes(name: bytes) -> None:
    try:
        command = parse(b"EHLO " + name, State.GREETED)
    except Fault:
        return
    assert isinstance(command, Ehlo)
    received(replace(HOP, hello=command.name))


@pytest.mark.parametrize(
    ("header", "added"),
    [
        (b"", [b"Date", b"Message-ID"]),
        (b"date : x\r\n", [b"Message-ID"]),
        (b"X: y\r\nMESSAGE-ID:<a@b>\r\n", [b"Date"]),
        (b"Date: x\r\nMessage-Id: <a@b>\r\n", []),
        (b"Subject: Date: x\r\n", [b"Date", b"Message-ID"]),
    ],
)
def test_what_submission_adds(header: bytes, added: list[bytes]) -> None:
    fields = missing_fields(header, HOP)
    assert [line.partition(b":")[0] for line in fields.splitlines()] == added
