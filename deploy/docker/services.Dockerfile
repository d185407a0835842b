# One process of Faultline: BINARY is faultline-gateway, faultline-query, faultline-correlator, faultline-agent, or faultline (used
# here for `faultline migrate`; it has no engine library in this image). Static binaries without cgo on a small base.
# Build from the root of the repository: docker build -f deploy/docker/services.Dockerfile --build-arg BINARY=faultline-gateway .
# Tags are pinned to a version, not to a digest: no registry could be asked when this was written. Pin digests where you build.

FROM node:20.19.5-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc* ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM golang:1.26.8-bookworm AS build
ARG BINARY
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
RUN CGO_ENABLED=0 go build -trimpath -o /out/faultline-process \
    -ldflags "-s -w -X github.com/faultline-io/faultline/services/internal/app.version=${VERSION} -X main.version=${VERSION}" \
    "./services/cmd/${BINARY:?set BINARY}"
# The data folder must belong to the user of the image, and the final stage runs nothing as root.
RUN mkdir -p /out/data /out/conf && chown 10001:10001 /out/data /out/conf && chmod 0700 /out/data

FROM alpine:3.22.2
COPY --from=build /out/faultline-process /usr/local/bin/faultline-process
COPY --from=build --chown=10001:10001 /out/data /var/lib/faultline
COPY --from=build --chown=10001:10001 /out/data /var/lib/faultline-agent
COPY --from=build --chown=10001:10001 /out/conf /etc/faultline
USER 10001:10001
ENV FAULTLINE_DATA_DIR=/var/lib/faultline
ENTRYPOINT ["/usr/local/bin/faultline-process"]
