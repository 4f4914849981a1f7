"""The real store, and the command line as a program that talks to it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import RedisServer
from tests.support.store import RunningStore, running_store


@dataclass(frozen=True)
class Cli:
    """Runs `buuta` against one store."""

    store: RunningStore
    token_file: Path

    async def __call__(
        self, *words: str, stdin: str = "", exit_code: int = 0, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "BUUTA_STORE": self.store.endpoint}
        environment |= {"BUUTA_TOKEN_FILE": str(self.token_file), **environ}
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "buuta.cli", *words],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            errors="surrogateescape",  # octets that are no UTF-8
            check=False,
        )
        assert done.returncode == exit_code, done.stderr + done.stdout
        return done

    async def rows(self, *words: str) -> list[dict[str, Any]]:
        """What a listing prints with --json."""
        rows: list[dict[str, Any]] = json.loads((await self(*words, "--json")).stdout)
        return rows


@pytest.fixture
async def store(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[RunningStore]:
    async with running_store(redis_server.url, tmp_path / "bodies") as store:
        yield store


@pytest.fixture
def cli(store: RunningStore, tmp_path: Path) -> Cli:
    file = tmp_path / "token"
    file.write_text(store.token("admin") + "\n")
    return Cli(store, file)
