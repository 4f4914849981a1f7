"""Special uses of mailboxes (RFC 6154 §2): attributes on the wire, names of the API."""

USES = {
    b"\\Archive": "SPECIAL_USE_ARCHIVE",
    b"\\Drafts": "SPECIAL_USE_DRAFTS",
    b"\\Flagged": "SPECIAL_USE_FLAGGED",
    b"\\Junk": "SPECIAL_USE_JUNK",
    b"\\Sent": "SPECIAL_USE_SENT",
    b"\\Trash": "SPECIAL_USE_TRASH",
}
ATTRIBUTES = {name: attribute for attribute, name in USES.items()}
