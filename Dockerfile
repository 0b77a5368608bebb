# syntax=docker/dockerfile:1
# The gateway as it is served: profile `dist`, every feature.
#
#   docker build -t banjia .
#   docker run -p 8080:8080 -v "$PWD/banjia.toml:/etc/banjia/banjia.toml:ro" -v banjia:/var/lib/banjia banjia
#
# The container reads /etc/banjia/banjia.toml. It needs `bind = "0.0.0.0:8080"`, and a `path` of the store below
# /var/lib/banjia, the only folder that the program may write.

FROM rust:1.95.0-slim-bookworm AS build
# The C compiler of the image builds SQLite, zstd and the grammars of `banjia scan`, all linked statically.
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cp "$(cargo xtask dist)" /banjia

# The same Debian as the build's, for its glibc.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 65532 --no-create-home --shell /usr/sbin/nologin banjia \
    && install --directory --owner=banjia --mode=0700 /var/lib/banjia
COPY --from=build /banjia /usr/local/bin/banjia
COPY LICENSE NOTICE /usr/share/doc/banjia/
WORKDIR /var/lib/banjia
VOLUME /var/lib/banjia
EXPOSE 8080
USER banjia
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/banjia"]
CMD ["serve", "--config", "/etc/banjia/banjia.toml"]
