#!/usr/bin/env bash
# Builds the operator's image with docker buildx.
#
#   IMAGE=registry/agentcore-operator:tag PLATFORM=linux/arm64 scripts/image.sh
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need docker "install Docker with buildx (Debian: apt-get install docker.io docker-buildx)"
docker buildx version >/dev/null 2>&1 || fail "docker has no buildx: install its plugin (Debian: apt-get install docker-buildx)"
docker info >/dev/null 2>&1 || fail "docker has no daemon to build with: start it, or set DOCKER_HOST"
platform=()
[[ -z ${PLATFORM:-} ]] || platform=(--platform "$PLATFORM")
run docker buildx build ${platform[@]+"${platform[@]}"} --load --tag "${IMAGE:-agentcore-operator:dev}" .
