"""The Lua scripts: read from `lua/`, joined with their prelude, named by their digest."""

import hashlib
from dataclasses import dataclass
from importlib import resources

READERS = frozenset({"mailbox_read", "account_read"})
PARTS = {
    "mailbox": ("_tx", "_mailbox"),
    "records": ("_tx", "_mailbox", "_records"),
    "names": ("_tx", "_names"),
    "plain": ("_tx",),
}
READ_PRELUDE = "_read"
PRELUDE = {
    "account_create": "plain",
    "account_update": "plain",
    "account_delete": "plain",
    "domain_set": "plain",
    "garbage_take": "plain",
    "references": "plain",
    "operation_end": "plain",
    "operation_undo": "plain",
    "maildrop_lock": "plain",
    "directory_claim": "plain",
    "directory_settle": "plain",
    "directory_drop": "plain",
    "directory_member": "plain",
    "mailbox_create": "names",
    "mailbox_delete": "names",
    "mailbox_rename": "names",
    "mailbox_subscribe": "names",
    "message_append": "mailbox",
    "message_copy": "records",
    "message_flags": "mailbox",
    "message_expunge": "records",
    "recent_claim": "mailbox",
    "purge": "records",
    "prune": "records",
}


@dataclass(frozen=True, slots=True)
class Script:
    """One script as Redis runs it."""

    name: str
    text: bytes
    digest: bytes  # SHA-1 in hexadecimal, as EVALSHA takes it


def load() -> dict[str, Script]:
    """All scripts by name (the file's name without `.lua`)."""
    folder = resources.files(__package__) / "lua"
    files = {entry.name[:-4]: entry.read_text() for entry in folder.iterdir() if entry.name.endswith(".lua")}
    scripts = {}
    for name, body in files.items():
        if name.startswith("_"):
            continue
        if name in PRELUDE:
            body = "\n".join([*(files[part] for part in PARTS[PRELUDE[name]]), body, files["_end"]])
        else:
            body = f"{files[READ_PRELUDE]}\n{body}"
        text = body.encode()
        digest = hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()
        scripts[name] = Script(name, text, digest)
    return scripts
