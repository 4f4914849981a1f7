"""Makes summary1.dict: `python -m services.store.train_dictionary [output]`.

Run once per dictionary number: the file that ships is immutable, since stored
summaries are readable only with it. The samples are summaries of synthetic
mail in the shapes that people, programs and lists send; nobody's mail is in it.
"""

import random
import sys
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import zstandard

from services.common.mime import scan_message
from services.store import summary

DICTIONARY_SIZE = 32 * 1024
LEVEL = 12
SAMPLES = 6000
SEED = 20240312


def _words(text: str) -> list[str]:
    return text.split()


_FIRST = _words(
    """
    Alice Bob Carol David Emma Frank Grace Henry Ivan Julia Karl Laura Michael Nina Oliver Paula
    Robert Sarah Thomas Ursula Peter Anna John Mary James Linda Maria José Jörg François Zoë Chen Wei
    Yuki Ahmed Fatima
    """
)
_LAST = _words(
    """
    Smith Johnson Brown Miller Davis Garcia Martinez Wilson Anderson Taylor Moore Jackson Lee Müller
    Schmidt Schneider Fischer Weber Dubois Bernard Rossi Silva Novák Kowalski Andersen Tanaka Wang
    Singh Khan
    """
)
_HOSTS = _words(
    """
    gmail.com outlook.com hotmail.com yahoo.com icloud.com gmx.de web.de example.com example.org
    example.net mail.example.com corp.example googlemail.com live.com protonmail.com t-online.de
    orange.fr mail.ru qq.com 163.com
    """
)
_ENGLISH = _words(
    """
    the to and of a in for is on that you with this it your be are we as at have or from will please
    by our can not an if new all was me my thanks any time would do meeting report attached file
    order account team project update review question about date tomorrow today week month invoice
    payment delivery number customer service support email address contact information change request
    answer regards hello dear best kind looking forward unsubscribe view browser privacy policy terms
    click here confirm welcome password security sign device shipping
    """
)
_GERMAN = _words(
    """
    der die das und ist nicht mit für auf ein eine wir sie ich bitte vielen dank grüße rechnung
    bestellung termin anhang freundlichen hallo guten tag sehr geehrte damen herren morgen woche
    datei projekt frage
    """
)
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
_SUBJECTS = ("Re: ", "Re: ", "Fwd: ", "AW: ", "", "", "", "", "", "[dev] ", "[list] Re: ", "RE: ", "FW: ")
_AGENTS = (
    "Mozilla Thunderbird",
    "Apple Mail (2.3774)",
    "Microsoft Outlook 16.0",
    "K-9 Mail",
    "Roundcube Webmail/1.6",
)
_FILES = (
    "invoice.pdf",
    "report.docx",
    "image001.png",
    "photo.jpg",
    "IMG_1234.jpeg",
    "data.csv",
    "slides.pptx",
)
_TYPES = (
    "application/pdf",
    "application/octet-stream",
    "image/png",
    "image/jpeg",
    "application/zip",
    "text/csv",
)


class _Maker:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def token(self, length: int, alphabet: str = "0123456789abcdef") -> str:
        return "".join(self._random.choices(alphabet, k=length))

    def sentence(self, words: int) -> str:
        vocabulary = self._random.choice((_ENGLISH, _ENGLISH, _ENGLISH, _GERMAN))
        text = " ".join(self._random.choices(vocabulary, k=words))
        return text[:1].upper() + text[1:] + self._random.choice((".", ".", "!", "?", ","))

    def text(self) -> str:
        lines = [
            self._random.choice(("Hi", "Hello", "Dear", "Hallo")) + f" {self._random.choice(_FIRST)},",
            "",
        ]
        for _ in range(self._random.randint(2, 12)):
            lines.append(" ".join(self.sentence(self._random.randint(4, 12)) for _ in range(2)))
        return "\n".join([*lines, "", "Best regards", self._random.choice(_FIRST), ""])

    def address(self) -> str:
        first, last = self._random.choice(_FIRST), self._random.choice(_LAST)
        local = f"{first}.{last}".lower().encode("ascii", "ignore").decode() or "info"
        address = f"{local}{self._random.choice(('', '', '1', '77'))}@{self._random.choice(_HOSTS)}"
        kind = self._random.random()
        if kind < 0.3:
            return address
        if kind < 0.4:
            return f"no-reply@{self._random.choice(_HOSTS)}"
        return f'"{last}, {first}" <{address}>' if kind < 0.5 else f"{first} {last} <{address}>"

    def _return_path(self, sender: str) -> str:
        """What a message is delivered with: the sender's address, one for bounces, or none (a bounce)."""
        kind = self._random.random()
        if kind < 0.05:
            return "<>"
        if kind < 0.5:
            return f"<{sender.rpartition('<')[2].rstrip('>')}>"
        names = ("bounce", "bounces", f"bounce+{self.token(12)}", self.token(8), "no-reply")
        return f"<{self._random.choice(names)}@{self._random.choice(_HOSTS)}>"

    def message_id(self) -> str:
        host = self._random.choice(_HOSTS)
        forms = (
            f"<CA+{self.token(42, _ALPHABET)}@mail.gmail.com>",
            f"<{self.token(8)}-{self.token(4)}-{self.token(4)}-{self.token(4)}-{self.token(12)}@{host}>",
            f"<{self.token(32).upper()}@{self.token(8).upper()}.eurprd01.prod.outlook.com>",
            f"<2024{self.token(10, '0123456789')}.{self.token(6)}@{host}>",
        )
        return self._random.choice(forms)

    def message(self) -> bytes:
        message = EmailMessage(policy=SMTP)
        self._head(message)
        kind = self._random.random()
        if kind < 0.25:
            text = self.text()
            plain = "7bit" if text.isascii() else "8bit"
            message.set_content(text, cte=self._random.choice((plain, "quoted-printable", "base64")))
        else:
            message.set_content(self.text(), cte="quoted-printable")
            html = "".join(f"<p>{self.sentence(12)}</p>" for _ in range(6))
            message.add_alternative(f"<html><head></head><body>{html}</body></html>", subtype="html")
        if kind > 0.8:
            for _ in range(self._random.randint(1, 3)):
                main, sub = self._random.choice(_TYPES).split("/")
                name = self._random.choice(_FILES)
                data = self.token(300).encode()
                message.add_attachment(data, maintype=main, subtype=sub, filename=name)
        for part in message.walk():
            if part.is_multipart():
                part.set_boundary(self._boundary())
        return message.as_bytes()

    def _boundary(self) -> str:
        digits = "0123456789"
        forms = (
            f"------------{self.token(24, _ALPHABET)}",
            f"000000000000{self.token(16)}",
            f"_000_{self.token(32).upper()}{self.token(8).upper()}eurp_",
            f"----=_Part_{self.token(6, digits)}_{self.token(9, digits)}.{self.token(13, digits)}",
            f"Apple-Mail=_{self.token(8).upper()}-{self.token(4).upper()}-{self.token(12).upper()}",
            f"================{self.token(19, digits)}==",
            f"----=_NextPart_000_{self.token(4).upper()}_{self.token(8).upper()}.{self.token(8).upper()}",
        )
        return self._random.choice(forms)

    def _head(self, message: EmailMessage) -> None:
        chance = self._random.random
        when = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=self._random.randrange(12 * 365 * 86400))
        sender = self.address()
        if chance() < 0.85:  # the others were not delivered: a client's copy of what it sent
            message["Return-Path"] = self._return_path(sender)
        message["Received"] = f"from {self.token(8)}.example.com by mx.example.org; {format_datetime(when)}"
        message["DKIM-Signature"] = f"v=1; a=rsa-sha256; d=example.com; b={self.token(40)}"
        message["From"] = sender
        message["To"] = ", ".join(self.address() for _ in range(self._random.choice((1, 1, 1, 2, 4))))
        if chance() < 0.2:
            message["Cc"] = self.address()
        if chance() < 0.15:
            message["Reply-To"] = self.address()
        message["Subject"] = self._random.choice(_SUBJECTS) + self.sentence(self._random.randint(2, 8))[:-1]
        zone = timezone(timedelta(hours=self._random.randint(-8, 9)))
        message["Date"] = format_datetime(when.astimezone(zone))
        message["Message-ID"] = self.message_id()
        if chance() < 0.35:
            message["In-Reply-To"] = reference = self.message_id()
            message["References"] = " ".join(
                [*(self.message_id() for _ in range(self._random.randint(0, 2))), reference]
            )
        if chance() < 0.25:
            self._list(message)
        if chance() < 0.2:
            message["X-Priority"], message["Importance"] = "3 (Normal)", "Normal"
        message["X-Mailer" if chance() < 0.5 else "User-Agent"] = self._random.choice(_AGENTS)
        if chance() < 0.4:
            message["Content-Language"] = self._random.choice(("en-US", "de-DE", "en-GB", "fr"))
        message["MIME-Version"] = "1.0"

    def _list(self, message: EmailMessage) -> None:
        host = self._random.choice(_HOSTS)
        message["List-Id"] = f"<list.{host}>"
        message["List-Unsubscribe"] = (
            f"<mailto:unsubscribe@{host}>, <https://{host}/unsubscribe?u={self.token(16)}>"
        )
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message["Precedence"] = self._random.choice(("bulk", "list"))


def sample_messages(count: int, seed: int) -> list[bytes]:
    maker = _Maker(seed)
    return [maker.message() for _ in range(count)]


def sample_records(count: int, seed: int) -> list[bytes | bytearray | memoryview]:
    """Summaries of synthetic mail before compression."""
    return [summary.pack_record(scan_message(message)) for message in sample_messages(count, seed)]


def main(output: str) -> None:
    dictionary = zstandard.train_dictionary(DICTIONARY_SIZE, sample_records(SAMPLES, SEED), level=LEVEL)
    with open(output, "wb") as file:
        file.write(dictionary.as_bytes())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else f"services/store/summary{summary.DICTIONARY}.dict")
