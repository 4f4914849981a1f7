#!/bin/bash
# Makes local images for places where no registry is reachable, from Debian's packages
# alone, by debootstrap and `docker import`: a minimal Debian with Python, and the same
# with redis-server.
#
#   base.sh [BASE_TAG [REDIS_TAG]]     default: buuta-base:bookworm buuta-redis:bookworm
#
# Needs root, debootstrap and a running Docker engine; does nothing where both images
# are already there. They stand in for the official images by
#   make images BASE=buuta-base:bookworm        and  REDIS_IMAGE=buuta-redis:bookworm
# DEBIAN_MIRROR: another mirror than debootstrap's default. DOCKER: another client.
set -euo pipefail

base=${1:-buuta-base:bookworm}
redis=${2:-buuta-redis:bookworm}
docker=${DOCKER:-docker}
if $docker image inspect "$base" "$redis" >/dev/null 2>&1; then exit 0; fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# What no image needs: package lists and archives, logs, documents, translations.
clean() {
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
        "$root"/usr/share/{doc,man,info,locale}/*
}

# make_image TAG [CHANGE...]: the tree as an image. Whose name server this machine asks is its own affair.
make_image() {
    local tag=$1
    shift
    clean
    tar -C "$root" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' --exclude=./etc/resolv.conf -c . |
        $docker import --change 'ENV LANG=C.UTF-8' "$@" - "$tag" >/dev/null
    $docker image inspect --format "$tag {{.Size}} bytes" "$tag"
}

debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
    bookworm "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >/dev/null
ln -s python3 "$root/usr/bin/python"
make_image "$base" --change 'CMD ["python3"]'

# Installing a server must not start it.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
chroot "$root" sh -ec 'export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq --no-install-recommends redis-server' >/dev/null
# As in the official image: 999 owns /data.
install -d -o 999 -g 999 "$root/data"
make_image "$redis" --change 'WORKDIR /data' --change 'USER 999:999' --change 'EXPOSE 6379' \
    --change 'CMD ["redis-server"]'
