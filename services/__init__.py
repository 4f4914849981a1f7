"""The services: one folder each, and `common` for what they share.

gRPC reads its environment while it is imported, so it is set here, before all else.
"""

import os

# gRPC answers its sockets from the thread that waits for them. Its other way, threads of its own between
# the two, costs a call a quarter more CPU here. (An operator's own setting comes first.)
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
