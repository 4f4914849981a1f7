"""Prints the Secrets that the production overlay demands, made anew, for `kubectl create -f -`.

python deploy/k8s/make_secrets.py CERTIFICATE.pem KEY.pem | kubectl -n buuta create -f -

CLUSTER_KEY and the keys of S3 are random; the service tokens follow from
CLUSTER_KEY, and so does the administrators' token in `buuta-admin`, which no pod
gets. `create` refuses what exists already, so that a second run breaks nothing.
"""

import json
import secrets
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from services.store.tokens import service_token

FRONT_ENDS = ("mx", "submission", "pop3", "imap")


def contents(certificate: str, private_key: str) -> dict[str, dict[str, str]]:
    """Every Secret by its name."""
    key, access, secret = secrets.token_hex(32), secrets.token_hex(10), secrets.token_hex(32)
    made = {
        "buuta-store": {"CLUSTER_KEY": key, "S3_ACCESS_KEY": access, "S3_SECRET_KEY": secret},
        "buuta-minio": {"MINIO_ROOT_USER": access, "MINIO_ROOT_PASSWORD": secret},
        "buuta-admin": {"BUUTA_TOKEN": service_token(key, "admin")},
        "buuta-tls": {"tls.crt": certificate, "tls.key": private_key},
    }
    return made | {f"buuta-{role}": {"SERVICE_TOKEN": service_token(key, role)} for role in FRONT_ENDS}


def manifest(made: dict[str, dict[str, str]]) -> dict[str, object]:
    """They as one List."""
    items = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls" if name == "buuta-tls" else "Opaque",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "buuta"}},
            "stringData": values,
        }
        for name, values in made.items()
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} CERTIFICATE.pem KEY.pem")
    pair = (Path(name).read_text() for name in sys.argv[1:])
    print(json.dumps(manifest(contents(*pair)), indent=1))
