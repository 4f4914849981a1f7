#!/bin/bash
# Makes a local base image for places where no registry is reachable: a minimal
# Debian with Python, from Debian's packages alone, by debootstrap and `docker import`.
#
#   base.sh [TAG]     default: buuta-base:bookworm
#
# Needs root, debootstrap and a running Docker engine. Build with it by
#   docker build --build-arg BASE=buuta-base:bookworm ...
# DEBIAN_MIRROR: another mirror than debootstrap's default.
set -euo pipefail

tag=${1:-buuta-base:bookworm}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates,redis-server \
    bookworm "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >/dev/null
# What no image needs: package lists and archives, documents, translations.
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
    "$root"/usr/share/{doc,man,info,locale}/*
ln -s python3 "$root/usr/bin/python"
tar -C "$root" --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* -c . | docker import \
    --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]' - "$tag" >/dev/null
docker image inspect --format "$tag {{.Size}} bytes" "$tag"
