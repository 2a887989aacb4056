# The image of the server: built with PostgreSQL over TLS, run by a user without rights, on a root filesystem that
# may be read-only. A PostgreSQL server is not in it: give DATABASE_URL, as compose.yaml does.
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# Dependencies alone first: they stay cached until Cargo.lock changes.
RUN mkdir src && echo 'fn main() {}' >src/main.rs && touch src/lib.rs \
    && cargo build --release --locked --features pg-tls && rm -r src
COPY . .
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --features pg-tls

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin stillage \
    && install -d -o stillage -g stillage -m 0755 /app /app/uploads /app/data
COPY --from=build /src/target/release/stillage /usr/local/bin/stillage
USER stillage
WORKDIR /app
ENV BIND_ADDRESS=0.0.0.0:8080 \
    UPLOAD_STORAGE_PATH=/app/uploads \
    STILLAGE_DATA_PATH=/app/data \
    LOG_FORMAT=json
VOLUME ["/app/uploads"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8080/health/ready"]
ENTRYPOINT ["stillage"]
CMD ["serve"]
