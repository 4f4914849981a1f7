"""Messages as people get them, from a number: the same number gives the same octets everywhere.

Received, DKIM-Signature, folded and encoded header fields, a multipart/alternative
of plain text (7bit, quoted-printable or base64) and HTML, as long as asked for.
"""

import base64
import quopri
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

_WORDS = """
account agenda answer archive balance before bridge budget calendar canvas castle change client coffee
column common contract corner daily deliver design dinner district draft early engine evening example
factory figure finish folder forest garden glass green harbour holiday house improve invoice island
journey kitchen language ledger letter library lunch machine manager market measure meeting message
minute model morning mountain music network notice number office order outside package paper partner
picture planet pocket policy project promise quality question railway reader receipt record region
remember report result review river sample schedule school season section server service silver station
storage street student summer supply system table teacher thread ticket today together travel update
valley version village visit voice water weather window winter yellow
"""
_GIVEN = """
Alice Bruno Chiara Dmitri Elena Farid Greta Hugo Irina Jonas Kaja Luis Mara Nils Olga Pavel
"""
_FAMILY = """
Almeida Brandt Costa Dubois Eriksen Fischer Garcia Horvat Ivanov Jansen Kovacs Larsen
"""
WORDS, GIVEN, FAMILY = _WORDS.split(), _GIVEN.split(), _FAMILY.split()
START = datetime(2024, 1, 1, tzinfo=UTC)


def message(number: int, size: int = 4096) -> bytes:
    """Message `number`, about `size` octets long, with CRLF line ends."""
    rng = random.Random(number)
    given, family = rng.choice(GIVEN), rng.choice(FAMILY)
    date = format_datetime(START + timedelta(minutes=7 * number))
    domain = f"mail{rng.randrange(7)}.example"
    boundary = f"a-{rng.getrandbits(96):024x}"
    display = f"=?UTF-8?Q?{given}_{family}_=C3=A9?=" if number % 10 == 3 else f'"{given} {family}"'
    reply = number % 3 == 1
    header = [
        f"Received: from relay.{domain} (relay.{domain} [192.0.2.{rng.randrange(250)}])",
        f"\tby mx.example.test with ESMTPS id {rng.getrandbits(48):012x}; {date}",
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=sel;",
        f"\th=from:to:subject:date:message-id; bh={_random64(rng, 32)};",
        *_folded("\tb=" + _random64(rng, 256)),
        f"From: {display} <{given}.{family}@{domain}>",
        f"To: {rng.choice(GIVEN)} {rng.choice(FAMILY)} <user@example.test>",
        f"Subject: {'Re: ' if reply else ''}{_words(rng, 30)} {number}",
        f"Date: {date}",
        f"Message-ID: <{rng.getrandbits(64):016x}.{number}@{domain}>",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
    ]
    if reply:
        header[-2:-2] = [f"References: <root.{number // 5}@example.test>", f"\t<{number - 1}@example.test>"]
    head = "\r\n".join(header) + "\r\n\r\n"
    return (head + _body(rng, boundary, number, max(size - len(head) - 420, 200))).encode()


def _body(rng: random.Random, boundary: str, number: int, room: int) -> str:
    encoding = "7bit" if number % 10 < 7 else "quoted-printable" if number % 10 < 9 else "base64"
    text = _text(rng, room * 2 // 5 if encoding != "base64" else room * 3 // 10)
    if encoding == "quoted-printable":
        text = quopri.encodestring(text.replace("\r\n", "\n").encode()).decode().replace("\n", "\r\n")
    elif encoding == "base64":
        text = base64.encodebytes(text.encode()).decode().replace("\n", "\r\n")
    html = f"<html><head><title>mail</title></head><body>\r\n{_text(rng, room * 3 // 5)}</body></html>\r\n"
    parts = ""
    for kind, how, content in (("plain", encoding, text), ("html", "7bit", html)):
        parts += f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
        parts += f"Content-Transfer-Encoding: {how}\r\n\r\n{content}\r\n"
    return parts + f"--{boundary}--\r\n"


def _words(rng: random.Random, size: int) -> str:
    words = ""
    while len(words) < size:
        words += " " * bool(words) + rng.choice(WORDS)
    return words


def _text(rng: random.Random, size: int) -> str:
    text = ""
    while len(text) < size:
        text += _words(rng, 66) + "\r\n"
    return text


def _random64(rng: random.Random, size: int) -> str:
    return base64.b64encode(rng.randbytes(size)).decode()


def _folded(line: str) -> list[str]:
    return [line[:70], *(f"\t {line[start : start + 68]}" for start in range(70, len(line), 68))]
