# A MinIO server built from source: its community edition ships no images. It needs BuildKit.
#
#   GO_IMAGE  an image with Go (official by default)
#   BASE      what the result runs on
#   GOPROXY   another module proxy than Go's default
#   secret ca as in Dockerfile
#   SOURCE    "source", or "binary" where no image with Go is reachable: then the build
#             context is a folder with `minio`, made by `go install` outside:
#             CGO_ENABLED=0 GOBIN=FOLDER go install github.com/minio/minio@MINIO_VERSION
ARG GO_IMAGE=golang:1.26-bookworm
ARG BASE=python:3.11-slim-bookworm
ARG SOURCE=source
ARG MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c

FROM ${GO_IMAGE} AS source
ARG MINIO_VERSION
ARG GOPROXY
RUN --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/go-build --mount=type=cache,target=/go/pkg \
    if [ -f /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi && \
    if [ -z "$GOPROXY" ]; then unset GOPROXY; fi && \
    CGO_ENABLED=0 GOBIN=/out go install -trimpath -ldflags '-s -w' github.com/minio/minio@${MINIO_VERSION}

FROM scratch AS binary
COPY minio /out/minio

FROM ${SOURCE} AS made

# MinIO needs no Python; the base has certificates, and the health check is a line of it.
FROM ${BASE} AS folder
RUN mkdir /data

FROM ${BASE}
ARG MINIO_VERSION
LABEL org.opencontainers.image.title="buuta-minio" \
      org.opencontainers.image.description="MinIO server, built from source for Buuta" \
      org.opencontainers.image.vendor="Buuta" \
      org.opencontainers.image.version="${MINIO_VERSION}"
COPY --from=made /out/minio /usr/local/bin/minio
COPY --from=folder --chown=10001:10001 /data /data
USER 10001:10001
EXPOSE 9000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9000/minio/health/cluster', timeout=4)"]
ENTRYPOINT ["minio", "server", "--quiet", "--address", ":9000", "/data"]
