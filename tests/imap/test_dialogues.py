"""The dialogues, against the real store: whole and byte by byte, and what differs inside TLS."""

from pathlib import Path

import pytest

from tests.dialogue import dialogues, parse, play
from tests.imap.support import Platform

HERE = Path(__file__).parent / "dialogues"


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("chunk", [0, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("path", dialogues(HERE), ids=name)
async def test_dialogue(path: Path, chunk: int, platform: Platform) -> None:
    variables = await platform.new_account()
    await play(parse(path), platform.connect("imap"), variables, chunk)


@pytest.mark.parametrize("path", dialogues(HERE / "strict"), ids=name)
async def test_dialogue_without_plaintext(path: Path, strict_platform: Platform) -> None:
    variables = await strict_platform.new_account()
    listener = "imaps" if path.stem == "tls" else "imap"
    connect = strict_platform.connect(listener)
    await play(parse(path), connect, variables, client_context=strict_platform.client_context)
