# syntax=docker/dockerfile:1
# The operator as one binary in an image without a shell. `make image` builds it; the simulator and the test cluster stay outside.

FROM rust:1.94-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --release -p agentcore-operator \
 && install -D target/release/agentcore-operator /out/agentcore-operator

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/agentcore-operator /usr/local/bin/agentcore-operator
USER 65532:65532
EXPOSE 9090
ENTRYPOINT ["/usr/local/bin/agentcore-operator"]
CMD ["controller"]
