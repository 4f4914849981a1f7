"""One contract for both scanners: the Python one, which is the reference, and its compiled twin."""

from collections.abc import Iterator

import pytest

from services.common.mime import scanner as scanner_module
from tests.support.processes import missing


@pytest.fixture(scope="session")
def compiled() -> None:
    """The compiled twin is there; in CI it has to be."""
    if not scanner_module.COMPILED:
        missing("the compiled scanner (`make run` builds it where there is a C compiler)")


# Of a module's scope since hypothesis runs many examples in one test.
@pytest.fixture(scope="module", params=["compiled", "python"])
def either_scanner(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "compiled":
        request.getfixturevalue("compiled")
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner_module, "scan_whole", lambda octets: None)
        yield
