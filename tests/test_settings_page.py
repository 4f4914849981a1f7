"""docs/settings.md says what the services declare."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_page_is_up_to_date() -> None:
    printed = subprocess.run(
        [sys.executable, ROOT / "docs" / "print_settings.py"], capture_output=True, text=True, check=True
    )
    assert printed.stdout == (ROOT / "docs" / "settings.md").read_text(), (
        "run: python docs/print_settings.py > docs/settings.md"
    )
