"""mbsync keeps a Maildir and the server the same: messages, flags and folders, in both directions."""

from pathlib import Path

from tests.support.platform import Platform, run_tool

RC = """
IMAPAccount there
Host localhost
Port {port}
User {user}
Pass {password}
{tls} IMAPS
CertificateFile {certificate}

IMAPStore far
Account there

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState *
"""


class Maildir:
    """The local side."""

    def __init__(self, platform: Platform, user: str, folder: Path) -> None:
        self.mail = folder / "mail"
        self.mail.mkdir()
        self.rc = folder / "rc"
        values = {"port": platform.port(993), "user": user, "password": user.partition("@")[0]}
        # isync 1.5 has another word for it, and says so.
        tls = "SSLType" if "isync 1.4" in run_tool(["mbsync", "--version"]).stdout else "TLSType"
        self.rc.write_text(RC.format(**values, tls=tls, certificate=platform.certificate, folder=folder))

    def sync(self) -> None:
        done = run_tool(["mbsync", "-c", str(self.rc), "all"], HOME=str(self.mail.parent))
        assert done.returncode == 0, done.stderr
        assert not done.stderr, done.stderr

    def messages(self, box: str) -> dict[str, Path]:
        """Files by their subject."""
        found = [path for part in ("new", "cur") for path in (self.mail / box / part).iterdir()]
        return {path.read_text().partition("Subject: ")[2].split("\n")[0]: path for path in found}

    def flags(self, box: str) -> dict[str, str]:
        return {name: path.name.partition(":2,")[2] for name, path in self.messages(box).items()}

    def set_flags(self, box: str, subject: str, flags: str) -> None:
        path = self.messages(box)[subject]
        path.rename(self.mail / box / "cur" / f"{path.name.partition(':2,')[0]}:2,{flags}")

    def add(self, box: str, subject: str) -> None:
        for part in ("new", "cur", "tmp"):
            (self.mail / box / part).mkdir(parents=True, exist_ok=True)
        (self.mail / box / "cur" / f"1.{subject}.here:2,S").write_text(f"Subject: {subject}\n\nText\n")


def server_flags(platform: Platform, user: str, box: str) -> dict[str, str]:
    """Flags by subject."""
    with platform.imap(user) as client:
        client.select(box, readonly=True)
        _, found = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    rows = [row for row in found if isinstance(row, tuple)]
    return {row[1].decode().split(":")[1].strip(): row[0].decode() for row in rows}


def test_both_sides_become_the_same(platform: Platform, user: str, tmp_path: Path) -> None:
    for subject in ("a", "b", "c"):
        platform.deliver(subject, user)
    maildir = Maildir(platform, user, tmp_path)
    maildir.sync()
    assert sorted(maildir.messages("INBOX")) == ["a", "b", "c"]

    maildir.set_flags("INBOX", "a", "FS")
    maildir.set_flags("INBOX", "b", "T")
    maildir.add("INBOX", "d")
    maildir.add("Here", "e")
    with platform.imap(user) as client:
        client.select()
        client.store("3", "+FLAGS", "(\\Answered \\Seen)")
        client.create("There/deep")
        client.append("There/deep", "", "", b"Subject: f\r\n\r\nText\r\n")
    maildir.sync()

    assert maildir.flags("INBOX") == {"a": "FS", "c": "RS", "d": "S"}
    there = server_flags(platform, user, "INBOX")
    assert sorted(there) == ["a", "c", "d"]
    assert "\\Flagged" in there["a"]
    assert "\\Seen" in there["d"]
    assert sorted(server_flags(platform, user, "Here")) == ["e"]
    assert sorted(maildir.messages("There/deep")) == ["f"]

    before = {box: sorted(maildir.messages(box)) for box in ("INBOX", "Here", "There/deep")}
    maildir.sync()
    assert {box: sorted(maildir.messages(box)) for box in before} == before, "a second time changes nothing"
    assert sorted(server_flags(platform, user, "INBOX")) == ["a", "c", "d"]
