"""Packs pieces of bodies into responses of up to 256 KiB (FetchBodiesResponse)."""

from collections.abc import AsyncGenerator, Iterator

from buuta.v1 import message_pb2 as pb
from services.common.errors import Unavailable

RESPONSE = 256 * 1024
PIECE = 32  # octets of a piece besides its data


class Outgoing:
    """Pieces that have not been sent yet."""

    def __init__(self) -> None:
        self._response = pb.FetchBodiesResponse()
        self._size = 0

    def rest(self) -> Iterator[pb.FetchBodiesResponse]:
        """What waits still."""
        if self._response.pieces:
            response, self._response, self._size = self._response, pb.FetchBodiesResponse(), 0
            yield response

    def absent(self, uid: int, section: int) -> Iterator[pb.FetchBodiesResponse]:
        """There is no such part."""
        yield from self._add(pb.BodyPiece(uid=uid, section=section, absent=True, first=True, last=True))

    def whole(self, uid: int, section: int, data: bytes) -> Iterator[pb.FetchBodiesResponse]:
        """A section that is in memory."""
        for start in range(0, max(len(data), 1), RESPONSE):
            piece = pb.BodyPiece(uid=uid, section=section, data=data[start : start + RESPONSE])
            if not start:
                piece.first, piece.length = True, len(data)
            piece.last = start + RESPONSE >= len(data)
            yield from self._add(piece)

    def _add(self, piece: pb.BodyPiece) -> Iterator[pb.FetchBodiesResponse]:
        if self._size + len(piece.data) > RESPONSE:
            yield from self.rest()
        self._response.pieces.append(piece)
        self._size += len(piece.data) + PIECE
        if self._size >= RESPONSE // 2:
            yield from self.rest()

    async def stream(
        self, uid: int, section: int, length: int, chunks: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[pb.FetchBodiesResponse, None]:
        """A large section of `length` octets: a response a chunk."""
        for response in self.rest():
            yield response
        sent = 0
        async for chunk in chunks:
            piece = pb.BodyPiece(uid=uid, section=section, data=chunk)
            if not sent:
                piece.first, piece.length = True, length
            sent += len(chunk)
            piece.last = sent == length
            yield pb.FetchBodiesResponse(pieces=[piece])
        if sent != length:
            raise Unavailable("The body of a message cannot be read to its end")
