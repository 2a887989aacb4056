# The image of the server: built with PostgreSQL over TLS, run by a user without rights, on a root filesystem that
# may be read-only. A PostgreSQL server is not in it: give DATABASE_URL, as compose.yaml does.

# Bases from elsewhere (a mirror, a build without Docker Hub): --build-arg BUILD_BASE=… --build-arg BASE=…
# They are the same Debian, so that the binary finds its libssl.
ARG BUILD_BASE=docker.io/library/rust:1.95-bookworm
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BUILD_BASE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY fuzz/Cargo.toml fuzz/
# Dependencies alone first: they stay cached until Cargo.lock changes. The targets that Cargo.toml names have to be
# there.
RUN mkdir -p src tests/browser && echo 'fn main() {}' | tee src/main.rs >tests/browser/screenshots.rs && touch src/lib.rs \
    && cargo build --release --locked --features pg-tls && rm -r src tests
COPY . .
RUN mkdir -p tests/browser && touch tests/browser/screenshots.rs src/main.rs src/lib.rs \
    && cargo build --release --locked --features pg-tls \
    # Names of functions stay for backtraces, lines go: two thirds of the size.
    && strip --strip-debug -o /stillage target/release/stillage

FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin stillage \
    && install -d -o stillage -g stillage -m 0755 /app /app/uploads /app/data
COPY --from=build /stillage /usr/local/bin/stillage
USER stillage
WORKDIR /app
ENV BIND_ADDRESS=0.0.0.0:8080 \
    UPLOAD_STORAGE_PATH=/app/uploads \
    STILLAGE_DATA_PATH=/app/data \
    LOG_FORMAT=json
VOLUME ["/app/uploads"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s CMD ["stillage", "health"]
ENTRYPOINT ["stillage"]
CMD ["serve"]
