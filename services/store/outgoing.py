"""Packs pieces of bodies into responses of up to 256 KiB (FetchBodiesResponse)."""

from collections.abc import AsyncIterator

from buuta.v1 import message_pb2 as pb

RESPONSE = 256 * 1024


class Outgoing:
    """Pieces that have not been sent yet."""

    def __init__(self) -> None:
        self._response = pb.FetchBodiesResponse()
        self._size = 0

    @property
    def full(self) -> bool:
        return self._size >= RESPONSE // 2

    @property
    def pending(self) -> bool:
        return bool(self._response.pieces)

    def take(self) -> pb.FetchBodiesResponse:
        response, self._response, self._size = self._response, pb.FetchBodiesResponse(), 0
        return response

    def absent(self, uid: int, section: int) -> None:
        self._response.pieces.add(uid=uid, section=section, absent=True, first=True, last=True)

    def whole(self, uid: int, section: int, data: bytes) -> None:
        self._response.pieces.add(
            uid=uid, section=section, length=len(data), data=data, first=True, last=True
        )
        self._size += len(data)

    async def stream(
        self, uid: int, section: int, length: int, chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[pb.FetchBodiesResponse]:
        """One large section: a response a chunk."""
        if self.pending:
            yield self.take()
        sent = 0
        async for chunk in chunks:
            piece = pb.BodyPiece(uid=uid, section=section, data=chunk)
            if not sent:
                piece.first, piece.length = True, length
            sent += len(chunk)
            piece.last = sent == length
            yield pb.FetchBodiesResponse(pieces=[piece])
