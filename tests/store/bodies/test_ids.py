"""Body ids: a repeat makes the same one, other octets make another one, and names lead back to them."""

from hypothesis import given
from hypothesis import strategies as st

from services.common.ids import new_request_id
from services.store.bodies.ids import body_id, body_of_name, object_name

REQUESTS = st.binary(min_size=16, max_size=16)


@given(REQUESTS, st.binary(), st.integers(0, 1023))
def test_ids_are_those_of_the_request(request: bytes, content: bytes, place: int) -> None:
    body = body_id(request, content, place)
    assert len(body) == 16
    assert body == body_id(request, content, place)
    assert body not in {body_id(request, content + b"x", place), body_id(request, content, place + 1)}
    assert body[1:6] == request[1:6]  # ordered by time
    assert body[0] >> 4 == 0  # a plain message
    assert body_of_name(object_name(body)) == body


def test_what_is_no_name_of_a_body() -> None:
    name = object_name(body_id(new_request_id()))
    for other in ("", "generation", "00/00", name + "00", "zz" + name[2:], name[3:], name.upper() + "/"):
        assert body_of_name(other) is None
