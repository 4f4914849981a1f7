"""The dialogues, against the real store: whole and byte by byte, each on its listener."""

from pathlib import Path

import pytest

from tests.dialogue import parse, play
from tests.smtp.support import VARIABLES, Platform

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = Path(__file__).parent / "dialogues"
CASES: list[tuple[str, Path]] = [(path.parent.name, path) for path in sorted(HERE.glob("*/*.txt"))]


def name(value: object) -> str:
    return value.stem if isinstance(value, Path) else str(value)


@pytest.mark.parametrize(("listener", "path"), CASES, ids=name)
async def test_dialogue(listener: str, path: Path, platform: Platform) -> None:
    await play(parse(path), platform.connect(listener), VARIABLES, 0, platform.client_context)


# An injection is octets in one piece with the command before them.
@pytest.mark.parametrize(
    ("listener", "path"), [case for case in CASES if case[1].stem != "injection"], ids=name
)
async def test_dialogue_byte_by_byte(listener: str, path: Path, platform: Platform) -> None:
    await play(parse(path), platform.connect(listener), VARIABLES, 1, platform.client_context)
