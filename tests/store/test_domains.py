"""AccountService: domains."""

import pytest

from buuta.v1 import account_pb2 as pb
from tests.store.api import Api, refused, rid


async def domains(admin: Api) -> list[str]:
    return [domain.name for domain in (await admin.accounts.ListDomains(pb.ListDomainsRequest())).domains]


async def test_domains(admin: Api) -> None:
    created = await admin.accounts.CreateDomain(pb.CreateDomainRequest(request_id=rid(), name="Büro.Example"))
    assert created.domain.name == "xn--bro-hoa.example"
    assert created.domain.create_time.seconds > 1_700_000_000
    assert await domains(admin) == ["example.test", "xn--bro-hoa.example"]
    with refused("ALREADY_EXISTS", "DOMAIN_EXISTS"):
        await admin.accounts.CreateDomain(
            pb.CreateDomainRequest(request_id=rid(), name="XN--BRO-HOA.example")
        )
    await admin.accounts.DeleteDomain(pb.DeleteDomainRequest(request_id=rid(), name="büro.example"))
    assert await domains(admin) == ["example.test"]
    with refused("NOT_FOUND", "DOMAIN_NOT_FOUND"):
        await admin.accounts.DeleteDomain(pb.DeleteDomainRequest(request_id=rid(), name="büro.example"))


async def test_a_domain_with_accounts_stays(admin: Api, alice: Api) -> None:
    with refused("FAILED_PRECONDITION", "DOMAIN_NOT_EMPTY"):
        await admin.accounts.DeleteDomain(pb.DeleteDomainRequest(request_id=rid(), name="example.test"))
    await admin.accounts.CreateDomain(pb.CreateDomainRequest(request_id=rid(), name="other.test"))
    alias = pb.CreateAliasRequest(request_id=rid(), address="a@other.test")
    alias.account = alice.account
    await admin.accounts.CreateAlias(alias)
    with refused("FAILED_PRECONDITION", "DOMAIN_NOT_EMPTY"):
        await admin.accounts.DeleteDomain(pb.DeleteDomainRequest(request_id=rid(), name="other.test"))


@pytest.mark.parametrize("name", ["", ".", "a..b", "-a.test", "[192.0.2.1]", "a b.test", "x" * 300])
async def test_what_is_no_domain(admin: Api, name: str) -> None:
    with refused("INVALID_ARGUMENT", "ADDRESS"):
        await admin.accounts.CreateDomain(pb.CreateDomainRequest(request_id=rid(), name=name))


async def test_a_repeated_creation_of_a_domain(admin: Api) -> None:
    request = pb.CreateDomainRequest(request_id=rid(), name="new.test")
    assert await admin.accounts.CreateDomain(request) == await admin.accounts.CreateDomain(request)
    request.name = "another.test"
    with refused("INVALID_ARGUMENT", "REQUEST_ID"):
        await admin.accounts.CreateDomain(request)
