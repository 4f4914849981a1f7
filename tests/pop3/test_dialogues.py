"""The dialogues, against the real store: whole, byte by byte, and inside TLS."""

from pathlib import Path

import pytest

from tests.dialogue import dialogues, parse, play
from tests.pop3.support import Platform

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = Path(__file__).parent / "dialogues"


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("chunk", [0, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("path", dialogues(HERE) + dialogues(HERE / "clear"), ids=name)
async def test_dialogue(path: Path, chunk: int, platform: Platform) -> None:
    variables = await platform.new_account()
    await play(parse(path), platform.connect("pop3"), variables, chunk)


@pytest.mark.parametrize("path", dialogues(HERE), ids=name)
async def test_dialogue_inside_tls(path: Path, platform: Platform) -> None:
    variables = await platform.new_account()
    await play(parse(path), platform.connect("pop3s"), variables)
