# Everything in one container: gateway, query API with the console, transport, and the ClickHouse engine as a child process.
# Build from the root of the repository: docker build -f deploy/docker/all-in-one.Dockerfile -t faultline .
# Run: docker run -v faultline:/var/lib/faultline -p 8080:8080 -p 4317:4317 -p 4318:4318 faultline
# It listens with TLS (a certificate of its own) and asks senders for the ingest key. Both secrets are made at the first start:
#   docker exec <container> cat /var/lib/faultline/admin-password /var/lib/faultline/ingest-key
# Tags are pinned to a version, not to a digest: no registry could be asked when this was written. Pin digests where you build.

FROM node:20.19.5-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc* ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

# The engine library, with the hashes of the lock file. It is for glibc on amd64.
FROM node:20.19.5-bookworm-slim AS engine
WORKDIR /src/deploy/engine
COPY deploy/engine/package.json deploy/engine/package-lock.json deploy/engine/.npmrc ./
RUN npm ci --no-audit --no-fund && cp node_modules/@chdb/lib-*/libchdb.so /libchdb.so

FROM golang:1.26.8-bookworm AS build
ARG VERSION=dev
WORKDIR /src
COPY go.work go.work.sum ./
COPY proto/go.mod proto/go.sum proto/
COPY services/go.mod services/go.sum services/
COPY web/go.mod web/
RUN go -C services mod download
COPY proto/ proto/
COPY services/ services/
COPY web/*.go web/
COPY --from=web /src/web/dist/ web/dist/
RUN CGO_ENABLED=0 go build -trimpath -o /out/faultline \
    -ldflags "-s -w -X github.com/faultline-io/faultline/services/internal/app.version=${VERSION}" ./services/cmd/faultline
RUN mkdir /out/data && chown 10001:10001 /out/data && chmod 0700 /out/data

FROM debian:12.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*
COPY --from=engine /libchdb.so /usr/local/lib/faultline/libchdb.so
COPY --from=build /out/faultline /usr/local/lib/faultline/faultline
COPY --from=build --chown=10001:10001 /out/data /var/lib/faultline
USER 10001:10001
# The agent inside a container would see the container, not the host: run faultline-agent on the hosts instead.
ENV FAULTLINE_DATA_DIR=/var/lib/faultline FAULTLINE_EXPOSE=true FAULTLINE_AGENT_ENABLED=false
VOLUME /var/lib/faultline
EXPOSE 8080 4317 4318
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["curl", "-fsSk", "-o", "/dev/null", "https://127.0.0.1:8080/-/ready"]
# Two minutes for an orderly stop: docker run --stop-timeout 120
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/lib/faultline/faultline"]
