#!/bin/bash
# Builds buuta/smtp, pop3, imap, store and minio, all with the tag $TAG (dev): `make images`.
#
# From the environment, each optional:
#   BASE, GO_IMAGE           other base images than the official ones
#   PIP_INDEX_URL, GOPROXY   other sources of packages
#   CA_FILE                  a CA bundle for these in a closed network; it stays out of the images
#   MINIO                    a MinIO server to put into its image instead of building one there
#   DOCKER                   another client than `docker`; it must know BuildKit
set -euo pipefail
cd "$(dirname "$0")/../.."
export DOCKER_BUILDKIT=1
docker=${DOCKER:-docker}
tag=${TAG:-dev}

common=(--quiet)
for name in BASE PIP_INDEX_URL; do
    if [ -n "${!name:-}" ]; then common+=(--build-arg "$name=${!name}"); fi
done
if [ -n "${CA_FILE:-}" ]; then common+=(--secret "id=ca,src=$CA_FILE"); fi

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
for service in smtp pop3 imap store; do
    $docker build "${common[@]}" --build-arg SERVICE=$service --build-arg "VERSION=$version" \
        --build-arg "REVISION=$revision" -t "buuta/$service:$tag" -f deploy/docker/Dockerfile . >/dev/null
done

minio=(--build-arg SOURCE=source deploy/docker)
if [ -n "${MINIO:-}" ]; then minio=(--build-arg SOURCE=binary "$(dirname "$MINIO")"); fi
for name in GO_IMAGE GOPROXY; do
    if [ -n "${!name:-}" ]; then common+=(--build-arg "$name=${!name}"); fi
done
$docker build "${common[@]}" -t "buuta/minio:$tag" -f deploy/docker/minio.Dockerfile "${minio[@]}" >/dev/null

for image in smtp pop3 imap store minio; do
    $docker image inspect --format "buuta/$image:$tag {{.Size}} bytes" "buuta/$image:$tag"
done
