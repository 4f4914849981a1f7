"""Bodies in MinIO or any S3, by the `minio` client in a pool of threads.

A body of unknown size is collected in a temporary file on disk (memory for the
first megabyte), so that nothing holds a large one in memory, a repeat needs no
second pass over the network, and the object appears whole or not at all.
"""

import io
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Any, BinaryIO, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from services.common.errors import Unavailable
from services.store.bodies import CHUNK, BodyMissing
from services.store.bodies.ids import object_name
from services.store.bodies.threads import Threads

THREADS = 32
CONNECT_TIMEOUT, READ_TIMEOUT = 2.0, 8.0
SPOOL = 1024 * 1024  # octets kept in memory before the temporary file goes to disk
PART = 5 * 1024 * 1024  # the least S3 takes: the client keeps one part in memory
MARKER = "generation"
# A bucket that is not there says nothing about the bodies in it.
ABSENT = frozenset({"NoSuchKey", "NoSuchObject"})
BEHIND_THE_END = "InvalidRange"
# An object of that name is there, or another one's write of it is at work.
TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
PREFIX = "bodies/"
P = ParamSpec("P")
T = TypeVar("T")


class S3Bodies:
    """BodyStore on S3."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, bucket: str) -> None:
        parts = urlsplit(endpoint)
        http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
            maxsize=THREADS,
            retries=urllib3.Retry(total=1, connect=1, read=0, backoff_factor=0.1),
        )
        self._client = Minio(
            endpoint=parts.netloc,
            access_key=access_key,
            secret_key=secret_key,
            secure=parts.scheme == "https",
            http_client=http,
        )
        self._bucket = bucket
        self._http = http
        self._threads = Threads(THREADS, "s3")

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._threads.run(call, *args, **kwargs)
        except S3Error as error:
            if error.code in ABSENT:
                raise BodyMissing from None
            raise Unavailable("The body store is not available") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable("The body store is not available") from error

    async def start(self) -> None:
        def make() -> None:
            if not self._client.bucket_exists(bucket_name=self._bucket):
                try:
                    self._client.make_bucket(bucket_name=self._bucket)
                except S3Error as error:
                    if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                        raise

        await self._run(make)

    async def put(
        self, name: Callable[[], bytes], chunks: AsyncIterator[bytes], metadata: Mapping[str, str]
    ) -> bytes:
        with tempfile.SpooledTemporaryFile(SPOOL) as spool:
            size = 0
            async for chunk in chunks:
                await self._run(spool.write, chunk)
                size += len(chunk)
            spool.seek(0)
            body = name()
            await self._run(self._put, body, cast(BinaryIO, spool), size, metadata)
        return body

    async def put_small(self, body: bytes, data: bytes, metadata: Mapping[str, str]) -> None:
        await self._run(self._put, body, io.BytesIO(data), len(data), metadata)

    def _put(self, body: bytes, data: BinaryIO, size: int, metadata: Mapping[str, str]) -> None:
        self._client.put_object(
            bucket_name=self._bucket,
            object_name=PREFIX + object_name(body),
            data=data,
            length=size,
            part_size=PART,
            num_parallel_uploads=1,
            content_type="message/rfc822",
            metadata=cast(Any, dict(metadata)),
        )

    async def read(
        self, body: bytes, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        response = await self._run(self._open, body, offset, length)
        if response is None:
            return
        try:
            while chunk := await self._run(response.read, CHUNK):
                yield chunk
        finally:
            response.close()
            response.release_conn()

    async def get(self, body: bytes, offset: int = 0, length: int | None = None) -> bytes:
        def read() -> bytes:
            response = self._open(body, offset, length)
            return b"" if response is None else _whole(response)

        return await self._run(read)

    def _open(self, body: bytes, offset: int, length: int | None) -> Any:
        """The response with a range's octets; None when nothing is in the range."""
        name = PREFIX + object_name(body)
        if length == 0:
            self._client.stat_object(bucket_name=self._bucket, object_name=name)
            return None
        try:
            return self._client.get_object(
                bucket_name=self._bucket, object_name=name, offset=offset, length=length or 0
            )
        except S3Error as error:
            if error.code != BEHIND_THE_END:
                raise
            return None

    async def delete(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            await self._run(
                self._client.remove_object, bucket_name=self._bucket, object_name=PREFIX + object_name(body)
            )

    async def read_marker(self) -> bytes | None:
        return await self.read_note(MARKER)

    async def write_marker(self, generation: bytes) -> None:
        await self.create_note(MARKER, generation)

    async def create_note(self, name: str, data: bytes) -> bool:
        def write() -> bool:
            try:
                # put_object would send the condition as metadata, which S3 does not look at.
                self._client._put_object(self._bucket, name, data, {"If-None-Match": "*"})
            except S3Error as error:
                if error.code not in TAKEN:
                    raise
                return False
            return True

        return await self._run(write)

    async def read_note(self, name: str) -> bytes | None:
        def read() -> bytes:
            return _whole(self._client.get_object(bucket_name=self._bucket, object_name=name))

        try:
            return await self._run(read)
        except BodyMissing:
            return None

    async def notes(self, folder: str) -> list[str]:
        def names() -> list[str]:
            prefix = folder + "/"
            found = self._client.list_objects(bucket_name=self._bucket, prefix=prefix)
            return [str(each.object_name).removeprefix(prefix) for each in found]

        return await self._run(names)

    async def close(self) -> None:
        await self._threads.close()
        self._http.clear()


def _whole(response: Any) -> bytes:
    try:
        data: bytes = response.read()
        return data
    finally:
        response.close()
        response.release_conn()
