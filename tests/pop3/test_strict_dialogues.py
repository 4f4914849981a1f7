"""The dialogues of a server that hears no password in clear: STLS, implicit TLS, and without either."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.dialogue import dialogues, parse, play
from tests.pop3.support import Platform, running_platform
from tests.support.processes import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = Path(__file__).parent / "dialogues" / "strict"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(
    shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    folder = tmp_path_factory.mktemp("bodies")
    async with running_platform(shared_redis, folder, plaintext=False) as found:
        yield found


@pytest.mark.parametrize("path", dialogues(HERE), ids=lambda path: path.stem)
async def test_dialogue(path: Path, strict: Platform) -> None:
    variables = await strict.new_account()
    connect = strict.connect("pop3s" if path.stem == "tls" else "pop3")
    await play(parse(path), connect, variables, client_context=strict.client_context)


async def test_stls_byte_by_byte(strict: Platform) -> None:
    steps = parse(HERE / "stls.txt")
    variables = await strict.new_account()
    await play(steps, strict.connect("pop3"), variables, 1, strict.client_context)
