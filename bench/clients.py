"""Lean blocking clients of SMTP and IMAP: they send prepared octets and only scan what comes back."""

import socket

LARGE = 1 << 20
LAST_LINE = 1024  # longer than any tagged line
CRLF = b"\r\n"


class Line:
    """A connection read line by line, or up to a mark."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._waiting = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        while b"\n" not in self._waiting:
            self._waiting += self._more(65536)
        line, _, self._waiting = self._waiting.partition(b"\n")
        return line + b"\n"

    def _more(self, size: int) -> bytes:
        data = self.socket.recv(size)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data

    def count_until(self, tag: bytes, mark: bytes) -> tuple[int, int]:
        """Read up to the line that starts with `tag`; how often `mark` came, and how many octets."""
        marks = octets = 0
        overlap = tail = b""  # what may hold the start of a mark; of the last line
        data, self._waiting = b"\r\n" + self._waiting, b""
        while True:
            octets += len(data)
            data = overlap + data
            marks += data.count(mark)
            overlap = data[1 - len(mark) :]
            tail = (tail + data[-LAST_LINE:])[-LAST_LINE:]
            last = tail[: -len(CRLF)].rpartition(CRLF)[2]
            if tail.endswith(CRLF) and last.startswith(tag):
                if not last.startswith(tag + b"OK"):
                    raise RuntimeError(last.decode(errors="replace"))
                return marks, octets
            data = self._more(LARGE)

    def close(self) -> None:
        self.socket.close()


class Smtp(Line):
    """One SMTP connection; commands of a transaction go out together (RFC 2920)."""

    hello = b"EHLO"

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.reply(b"220")
        self.send(self.hello + b" bench.example\r\n")
        self.reply(b"250")

    def reply(self, code: bytes) -> None:
        while (line := self.line())[3:4] == b"-":
            pass
        if not line.startswith(code):
            raise RuntimeError(line.decode(errors="replace"))

    def deliver(self, recipient: str, message: bytes) -> None:
        """`message` is dot-stuffed already, and has the final dot."""
        self.send(b"MAIL FROM:<bench@remote.example>\r\nRCPT TO:<%b>\r\nDATA\r\n" % recipient.encode())
        for code in (b"250", b"250", b"354"):
            self.reply(code)
        self.send(message)
        self.reply(b"250")


class Lmtp(Smtp):
    """The same over LMTP (RFC 2033): with one recipient, only the greeting differs."""

    hello = b"LHLO"


class Imap(Line):
    """One IMAP connection, a command at a time."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.line()

    def command(self, text: str, mark: bytes = b"\r\n* ") -> tuple[int, int]:
        """Perform one command; (lines that hold `mark`, octets)."""
        self.send(b"z " + text.encode() + b"\r\n")
        return self.count_until(b"z ", mark)

    def login(self, user: str, password: str) -> None:
        self.command(f'LOGIN "{user}" "{password}"')
