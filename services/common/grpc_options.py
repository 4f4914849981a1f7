"""How gRPC is set up on both sides, so that a dead peer is noticed and large answers fit."""

# An Append of 1,024 inline messages of 64 KB, and its frame; SyncMailbox answers with 28 octets a message.
MAX_MESSAGE = 80 * 1024 * 1024
KEEPALIVE_MS = 10_000
KEEPALIVE_TIMEOUT_MS = 5_000
# Octets of a stream that arrive before they are asked for. Left to itself gRPC grows this to many
# megabytes for each slow reader of a large message; this fills 4 Gbit/s at 1 ms.
AHEAD = 512 * 1024

Options = list[tuple[str, int]]

_COMMON: Options = [
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),  # a minute if it is not said as well
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", AHEAD),
]
CLIENT_OPTIONS: Options = [
    *_COMMON,
    ("grpc.enable_retries", 0),  # ours carry the request id
    ("grpc.enable_http_proxy", 0),  # services reach each other directly
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 2000),
]
SERVER_OPTIONS: Options = [
    *_COMMON,
    # Clients ping every KEEPALIVE_MS, with calls or without: that is no abuse.
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
]
