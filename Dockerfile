# The programs of this repository as images without a system: one static binary, certificates, nothing else. `make images` builds them.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --target operator .
#
# The compiler runs on the machine's own platform and zig's C compiler writes code for the target: no emulation.

# The tag says which, the digest what: `scripts/pins.sh` shows whether it still is the tag's.
ARG RUST_IMAGE=docker.io/library/rust:1.94.1-slim-bookworm@sha256:cf9dd0ec73e75f827fe59123fff9dc65af1a1c8363c3c31ee8d7f8ad0b6a5fb2

FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS tools
# hadolint ignore=DL3008 # of a pinned base, whatever the distribution has mended since
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates cmake make python3-pip \
 && rm -rf /var/lib/apt/lists/*
COPY scripts/image-tools.txt /tmp/image-tools.txt
RUN pip install --no-cache-dir --break-system-packages --no-deps --require-hashes --requirement /tmp/image-tools.txt
ARG TARGETARCH
RUN case "$TARGETARCH" in \
      arm64) echo aarch64-unknown-linux-musl ;; \
      amd64) echo x86_64-unknown-linux-musl ;; \
      *) echo "unsupported architecture: $TARGETARCH" >&2; exit 1 ;; \
    esac > /target-name \
 && rustup target add "$(cat /target-name)" \
 && mkdir --parents /out/root/tmp /out/root/etc/ssl/certs \
 && chmod 1777 /out/root/tmp \
 && cp /etc/ssl/certs/ca-certificates.crt /out/root/etc/ssl/certs/
WORKDIR /src
COPY . .

# Each program with a cache of its own for each platform, so that they can be built at the same time.
FROM tools AS build-operator
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,id=operator-$TARGETARCH,sharing=locked \
    cargo zigbuild --locked --release --package agentcore-operator --target "$(cat /target-name)" \
 && install -D --target-directory /out "target/$(cat /target-name)/release/agentcore-operator"

FROM tools AS build-sim
ARG TARGETARCH
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,id=sim-$TARGETARCH,sharing=locked \
    cargo zigbuild --locked --release --package agentcore-sim --package agentcore-agent --target "$(cat /target-name)" \
 && install -D --target-directory /out "target/$(cat /target-name)/release/agentcore-sim" \
      "target/$(cat /target-name)/release/agentcore-agent"

# The local AgentCore, with the reference agent to push into it. Not for production.
FROM scratch AS sim
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="agentcore-sim" \
      org.opencontainers.image.description="A local AgentCore for development, tests and demos" \
      org.opencontainers.image.source="https://github.com/agentcore-operator/agentcore-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build-sim /out/root /
COPY --from=build-sim /out/agentcore-sim /out/agentcore-agent /usr/local/bin/
ENV PATH=/usr/local/bin
USER 65532:65532
EXPOSE 4680
ENTRYPOINT ["/usr/local/bin/agentcore-sim"]
CMD ["serve", "--listen", "[::]:4680"]

# The operator: the controller, and with `gateway` as its argument the gateway. The last stage is what is built when none is named.
FROM scratch AS operator
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="agentcore-operator" \
      org.opencontainers.image.description="Kubernetes operator and gateway for Amazon Bedrock AgentCore" \
      org.opencontainers.image.source="https://github.com/agentcore-operator/agentcore-operator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build-operator /out/root /
COPY --from=build-operator /out/agentcore-operator /usr/local/bin/agentcore-operator
USER 65532:65532
EXPOSE 8443 9090
ENTRYPOINT ["/usr/local/bin/agentcore-operator"]
CMD ["controller"]
