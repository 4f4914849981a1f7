# A MinIO server built from source: its community edition ships no images.
#
#   GO_IMAGE  an image with Go (official by default)
#   BASE      what the result runs on
#   secret ca as in Dockerfile
ARG GO_IMAGE=golang:1.26-bookworm
ARG BASE=python:3.11-slim-bookworm

FROM ${GO_IMAGE} AS build
ARG MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
RUN --mount=type=secret,id=ca \
    if [ -f /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi && \
    CGO_ENABLED=0 GOBIN=/out go install -trimpath -ldflags '-s -w' github.com/minio/minio@${MINIO_VERSION}

FROM ${BASE}
LABEL org.opencontainers.image.title="buuta-minio" \
      org.opencontainers.image.description="MinIO server, built from source for Buuta"
COPY --from=build /out/minio /usr/local/bin/minio
USER 10001:10001
VOLUME /data
EXPOSE 9000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9000/minio/health/cluster', timeout=4)"]
ENTRYPOINT ["minio", "server", "--address", ":9000", "/data"]
