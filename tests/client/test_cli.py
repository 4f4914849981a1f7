"""The command line against the real store: what it does, prints and exits with."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.client.conftest import Cli
from tests.support.processes import free_port


async def test_domains(cli: Cli) -> None:
    await cli("domain", "create", "More.Example")
    assert [row["domain"] for row in await cli.rows("domain", "list")] == ["example.test", "more.example"]
    again = await cli("domain", "create", "more.example", exit_code=1)
    assert again.stderr.startswith("buuta: ")
    assert again.stderr.count("\n") == 1
    await cli("domain", "delete", "more.example", "--yes")
    refused = await cli("domain", "delete", "example.test", "--yes", exit_code=1)
    assert "DOMAIN_NOT_EMPTY" in refused.stderr


async def test_accounts_and_aliases(cli: Cli) -> None:
    await cli("account", "create", "u1@example.test", "--password-stdin", stdin="secret\n")
    addresses = [row["address"] for row in await cli.rows("account", "list")]
    assert addresses == ["alice@example.test", "bob@example.test", "u1@example.test"]
    await cli("alias", "create", "u1@example.test", "info@example.test")
    shown = json.loads((await cli("account", "show", "info@example.test", "--json")).stdout)
    assert (shown["address"], shown["aliases"]) == ("u1@example.test", ["info@example.test"])
    await cli("account", "set-password", "u1@example.test", "--password-stdin", stdin="new secret\n")
    await cli("alias", "delete", "u1@example.test", "info@example.test")
    await cli("account", "delete", "u1@example.test", "--yes")
    await cli("account", "show", "u1@example.test", exit_code=1)


async def test_passwords_count(cli: Cli) -> None:
    await cli("account", "create", "u1@example.test", "--password-stdin", stdin="secret\n")
    admin = cli.store.admin
    session = await admin.login("u1@example.test", b"secret", "192.0.2.1")
    assert session.address == "u1@example.test"


async def test_import(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "accounts.csv"
    lines = ["address,password", *(f"m{number}@example.test,password {number}" for number in range(70))]
    file.write_text("\n".join(lines) + "\n")
    await cli("account", "import", str(file))
    assert len(await cli.rows("account", "list")) == 72
    repeated = await cli("account", "import", str(file), exit_code=1)
    assert "m0@example.test" in repeated.stdout + repeated.stderr


async def test_messages(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "message.eml"
    file.write_bytes(b"From: bob@example.test\nSubject: Hello\n\nText\n")
    added = await cli("message", "append", "alice@example.test", str(file), "-f", "seen", "-f", "later")
    assert added.stdout == "1\n"
    (row,) = await cli.rows("message", "list", "alice@example.test")
    assert (row["uid"], row["subject"], row["from"]) == (1, "Hello", "bob@example.test")
    assert row["flags"] == ["\\Seen", "later"]
    text = await cli("message", "cat", "alice@example.test", "1")
    assert text.stdout == "From: bob@example.test\nSubject: Hello\n\nText\n"
    await cli("message", "cat", "alice@example.test", "2", exit_code=1)
    names = {
        row["mailbox"]: row["messages"] for row in await cli.rows("mailbox", "list", "alice@example.test")
    }
    assert names["INBOX"] == 1
    assert set(names) == {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}


async def test_a_byte_order_mark_is_no_part_of_an_address(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text("\ufeffbom1@example.test,secret\n")
    await cli("account", "import", str(file))
    await cli("account", "import", "-", stdin="\ufeffbom2@example.test,secret\n")
    file.write_text("\ufeffaddress,password\nbom3@example.test,secret\n")
    await cli("account", "import", str(file))
    addresses = {row["address"] for row in await cli.rows("account", "list")}
    assert addresses >= {"bom1@example.test", "bom2@example.test", "bom3@example.test"}


async def test_a_malformed_message_hides_no_other(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "message.eml"
    subjects = [b"[red]x[/red]", b"=?utf-8?q?=1B]0;title=07=C2=9B31m?=", b"=?unicode_escape?q?=5Cud800?="]
    for sender, subject in zip((b'"', b"a:;b:", b"a@["), subjects, strict=True):
        file.write_bytes(b"From: " + sender + b"\nSubject: " + subject + b"\n\nText\n")
        await cli("message", "append", "alice@example.test", str(file))
    listed = (await cli("message", "list", "alice@example.test")).stdout.splitlines()
    assert [line.split("\t")[2:4] for line in listed] == [
        ['"', "[red]x[/red]"],
        ["a:;b:", " ]0;title  31m"],
        ["a@[", " "],
    ]
    json_text = (await cli("message", "list", "alice@example.test", "--json")).stdout
    assert json_text.rstrip("\n").isprintable()
    assert json.loads(json_text)[1]["subject"] == "\x1b]0;title\x07\x9b31m"
    await cli("message", "list", "alice@example.test", PYTHONIOENCODING="ascii")


async def test_status(cli: Cli) -> None:
    (row,) = await cli.rows("status")
    assert row["state"] == "serving"
    await cli("status", exit_code=75, BUUTA_STORE=f"127.0.0.1:{free_port()}")


async def test_failures_are_one_line(cli: Cli, tmp_path: Path) -> None:
    done = await cli("domain", "list", exit_code=77, BUUTA_TOKEN_FILE=str(tmp_path / "none"))
    assert done.stderr.count("\n") == 1
    done = await cli("domain", "list", exit_code=77, BUUTA_TOKEN="admin:false")
    assert done.stderr.count("\n") == 1
    for store in ("nonsense", "127.0.0.1:\u00b2", "127.0.0.1:99999"):
        done = await cli("status", exit_code=2, BUUTA_STORE=store)
        assert "BUUTA_STORE" in done.stderr
        assert done.stderr.count("\n") == 1


async def test_octets_that_are_no_text_are_one_line(cli: Cli) -> None:
    create = ("account", "create")
    failures = [
        await cli(*create, "u1@example.test", "--password-stdin", stdin="p\udcffw\n", exit_code=2),
        await cli(*create, "x\udcff@example.test", "--password-stdin", stdin="pw\n", exit_code=2),
        await cli("account", "show", "x\udcff", exit_code=2),
        await cli("domain", "list", exit_code=77, BUUTA_TOKEN_FILE="/bin/true"),
        *[
            await cli("domain", "list", exit_code=77, BUUTA_TOKEN=token)
            for token in ("\udcff", "a\nb", "\u00e9", "a b")
        ],
    ]
    for done in failures:
        assert done.stderr.startswith("buuta: ")
        assert done.stderr.count("\n") == 1


async def test_http_proxies_are_not_for_us(cli: Cli) -> None:
    await cli("domain", "list", http_proxy=f"http://127.0.0.1:{free_port()}", no_proxy="")


async def test_watch(cli: Cli, tmp_path: Path) -> None:
    environment = {**os.environ, "BUUTA_STORE": cli.store.endpoint, "BUUTA_TOKEN_FILE": str(cli.token_file)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "buuta.cli", "watch", "alice@example.test", "--show-token"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(30):
        assert (await process.stderr.readline()).startswith(b"buuta: token ")
        (tmp_path / "m").write_bytes(b"Subject: x\n\n")
        await cli("message", "append", "alice@example.test", str(tmp_path / "m"))
        line = await process.stdout.readline()
        account = (await cli("account", "show", "alice@example.test", "--json")).stdout
        _, owner, kind, mailbox, uids = line.decode().rstrip().split("\t")
        assert (owner, kind, uids) == (json.loads(account)["id"], "messages_added", "1")
        assert mailbox, "its name, or its id where the event has no name"
        process.terminate()
        await process.communicate()
