"""Summaries: what goes in comes out, and header fields are the message's own octets or no answer."""

import dataclasses
from hashlib import sha256
from importlib.resources import files

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.mime import Scan, scan_message, select_fields
from services.store import summary as summary_module
from services.store.summary import decode_summary, decode_wire, encode_summary
from services.store.train_dictionary import sample_messages


def check_same(found: Scan) -> None:
    record = encode_summary(found)
    decoded = decode_summary(record)
    assert decode_wire(record) == (found.envelope, found.body_structure)
    for name in (
        "envelope",
        "body_structure",
        "preview",
        "parts",
        "size",
        "header_size",
        "date",
        "pure_7bit",
    ):
        assert getattr(decoded, name) == getattr(found, name), name


def test_samples() -> None:
    messages = sample_messages(60, seed=7)
    for message in messages:
        check_same(scan_message(message))


def test_size_of_records() -> None:
    records = [encode_summary(scan_message(message)) for message in sample_messages(100, seed=8)]
    assert sum(map(len, records)) / len(records) < 350


FRAGMENTS = [
    *(b"\r\n", b"--a\r\n", b"--a--\r\n", b"\xff", b"x", b"Subject: s\r\n", b"Date: 1 Jan 1960 1:00 GMT\r\n"),
    *(b"Content-Type: multipart/mixed; boundary=a\r\n", b"Content-Type: message/rfc822\r\n"),
    *(b"Content-Type: x-odd/thing; charset=x-strange\r\n", b"Content-Transfer-Encoding: x-mine\r\n"),
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=20).map(b"".join))
@settings(deadline=None)
def test_any_message(message: bytes) -> None:
    check_same(scan_message(message))


def test_large_sections() -> None:
    parts = b"--b\r\nContent-Type: text/plain; name=part\r\n\r\nx\r\n" * 900
    found = scan_message(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts + b"--b--\r\n")
    assert len(found.body_structure) > 0xFFFF
    check_same(found)


HEADER = (
    b"Received: from a by b\r\nFROM: a@x\r\nSubject: one\r\n two\r\nX-Odd: 1\r\n"
    b"To: b@x,\r\n\tc@x\r\nfrom: second@x\r\n\r\n"
)


def test_header_fields() -> None:
    decoded = decode_summary(encode_summary(scan_message(HEADER + b"body")))
    names = [b"From", b"TO", b"cc", b"subject", b"References"]
    assert decoded.header_fields(names) == select_fields(HEADER, names)
    assert decoded.header_fields([]) == b"\r\n"
    assert decoded.header_fields([b"Received"]) is None
    assert decoded.header_fields([b"From", b"X-Odd"]) is None
    assert decoded.header_fields([b"X-Absent"]) == b"\r\n"
    assert decoded.header_fields([b"From"], True) is None


def test_all_fields_but_some() -> None:
    header = b"From: a@x\r\nTo: b@x\r\nSubject: s\r\n\r\n"
    decoded = decode_summary(encode_summary(scan_message(header)))
    assert decoded.header_fields([b"to"], True) == b"From: a@x\r\nSubject: s\r\n\r\n"


def test_long_fields_are_not_kept() -> None:
    header = b"Subject: s\r\nReferences: " + b"<a@x>\r\n " * 1000 + b"<b@x>\r\n\r\n"
    decoded = decode_summary(encode_summary(scan_message(header)))
    assert decoded.header_fields([b"references"]) is None
    assert decoded.header_fields([b"Subject"]) == b"Subject: s\r\n\r\n"


def test_a_header_that_was_cut_answers_nothing() -> None:
    found = scan_message(b"Subject: s\r\nX-Long: " + b"x" * 300_000 + b"\r\nTo: a@x\r\n\r\n")
    decoded = decode_summary(encode_summary(found))
    assert decoded.header_fields([b"To"]) is None
    assert decoded.header_fields([b"Subject"]) is None
    check_same(found)


NAMES = st.sampled_from([b"From", b"to", b"SUBJECT", b"X-A", b"X-B", b"Received", b"Date", b"Cc"])


@given(
    fields=st.lists(
        st.tuples(NAMES, st.sampled_from([b" v\r\n", b"\r\n", b" a\r\n b\r\n", b"w\n"])), max_size=8
    ),
    names=st.lists(NAMES, max_size=4),
    except_=st.booleans(),
)
def test_header_fields_are_right_or_unknown(
    fields: list[tuple[bytes, bytes]], names: list[bytes], except_: bool
) -> None:
    header = b"".join([name + b":" + value for name, value in fields]) + b"\r\n"
    answer = decode_summary(encode_summary(scan_message(header))).header_fields(names, except_)
    assert answer is None or answer == select_fields(header, names, except_)
    known = {name.lower() for name, _ in fields} <= summary_module.FIELDS
    assert answer is not None or not known


def test_scans_are_what_summaries_are_made_of() -> None:
    """Every member of a Scan is kept, or is the header, its fields, or a key of its own in the index."""
    kept = {field.name for field in dataclasses.fields(summary_module.Summary)} | {"parts"}
    assert set(Scan._fields) - kept == {"header", "fields", "message_id"}


def test_dictionary_never_changes() -> None:
    """Records are readable only with these octets: another dictionary is another number."""
    octets = files("services.store").joinpath("summary1.dict").read_bytes()
    assert len(octets) <= 32 * 1024
    assert sha256(octets).hexdigest() == "9e89021b600e7487dd81bbb47043f89358a517105e959177dbc6061ef87dd25f"


OLD_RECORD = bytes.fromhex(
    "010120a6f50100f3c10621cb1a0d605e2fa0a01a87b4e9980398732660ced00cc024991e570bfc861ac0c7a256"
    "889131484db82fad4822c30ce51ef33fdca28d48928e4e0c"
)


def test_a_record_of_old_stays_readable() -> None:
    decoded = decode_summary(OLD_RECORD)
    assert decoded.header_fields([b"Subject"]) == b"Subject: kept\r\n\r\n"
    assert decoded.preview == b"text"
    assert [part.number for part in decoded.parts] == [(1,)]
