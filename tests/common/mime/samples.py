"""Messages as people write them, for the tables and for building larger ones."""

from services.common.mime import Scan, Scanner, scan_message


def crlf(text: str) -> bytes:
    return text.encode().replace(b"\n", b"\r\n")


def scan(message: bytes, cuts: list[int] | None = None, step: int = 1) -> Scan:
    """Scans the message cut at the given places (whole without them)."""
    if cuts is None:
        return scan_message(message)
    scanner = Scanner(step)
    before = 0
    for cut in cuts:
        scanner.feed(message[before:cut])
        before = cut
    scanner.feed(message[before:])
    return scanner.finish()


NESTED = crlf("""\
From: "Fred Foobar" <foobar@example.com>
To: mooch@example.org
Subject: nested
Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)
Message-ID: <B27397-0100000@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Caf=C3=A9 at noon
--outer
Content-Type: application/octet-stream; name="data.bin"
Content-Transfer-Encoding: base64
Content-ID: <part2@example.com>
Content-Description: some data
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
Content-Disposition: attachment; filename="data.bin"
Content-Language: en, de
Content-Location: http://example.com/data

AAECAw==
--outer
Content-Type: message/rfc822

Subject: inner
From: a@example.net
Content-Type: multipart/alternative; boundary=inner

--inner

one
two

--inner
Content-Type: text/html

<b>three</b>
--inner--
epilogue of the inner one
--outer
Content-Type: message/rfc822

Subject: plain inside

body of the last
--outer--
epilogue
""")
