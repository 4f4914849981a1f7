"""fetchmail empties a maildrop by POP3, or keeps the mail there and takes each message once by its UIDL."""

from pathlib import Path

from tests.support.platform import Platform, run_tool

RC = """
set no bouncemail
poll localhost protocol POP3 service {port} uidl
  user "{user}" password "{password}" ssl sslcertck sslcertfile "{certificate}" {keep}
  mda "cat >> {folder}/mbox"
"""
NOTHING_NEW = 1


class Fetchmail:
    def __init__(self, platform: Platform, user: str, folder: Path, keep: str) -> None:
        self.folder = folder
        values = {"port": platform.port(995), "user": user, "password": user.partition("@")[0]}
        rc = folder / "rc"
        rc.write_text(RC.format(**values, certificate=platform.certificate, folder=folder, keep=keep))
        rc.chmod(0o600)

    def __call__(self, code: int = 0) -> list[str]:
        """The subjects of all that it ever fetched."""
        options = ("-f", str(self.folder / "rc"), "-i", str(self.folder / "ids"))
        done = run_tool(
            ["fetchmail", *options], HOME=str(self.folder), FETCHMAILHOME=str(self.folder), USER="root"
        )
        assert done.returncode == code, done.stdout + done.stderr
        mbox = self.folder / "mbox"
        lines = mbox.read_text().splitlines() if mbox.exists() else []
        return [line.partition(": ")[2] for line in lines if line.startswith("Subject: ")]


def test_no_keep_empties_the_maildrop(platform: Platform, user: str, tmp_path: Path) -> None:
    platform.deliver("one", user)
    platform.deliver("two", user)
    fetchmail = Fetchmail(platform, user, tmp_path, "no keep")
    assert fetchmail() == ["one", "two"]
    assert platform.subjects(user=user) == []
    assert fetchmail(NOTHING_NEW) == ["one", "two"]


def test_keep_takes_each_message_once(platform: Platform, user: str, tmp_path: Path) -> None:
    platform.deliver("one", user)
    fetchmail = Fetchmail(platform, user, tmp_path, "keep")
    assert fetchmail() == ["one"]
    assert fetchmail(NOTHING_NEW) == ["one"]
    platform.deliver("two", user)
    assert fetchmail() == ["one", "two"]
    assert platform.subjects(user=user) == ["one", "two"]
