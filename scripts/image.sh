#!/usr/bin/env bash
# Builds images with docker buildx.
#
#   scripts/image.sh                   the operator, for this machine, into docker: agentcore-operator:dev (IMAGE=, PLATFORM=)
#   scripts/image.sh operator sim agent  these, as $REGISTRY/agentcore-NAME:$TAG; with PUSH=1 pushed, with SBOM and provenance
#
# What was pushed is noted in target/images/NAME.ref, as REGISTRY/NAME@DIGEST, for whoever signs it.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need docker "install Docker with buildx (Debian: apt-get install docker.io docker-buildx)"
docker buildx version >/dev/null 2>&1 || fail "docker has no buildx: install its plugin (Debian: apt-get install docker-buildx)"
docker info >/dev/null 2>&1 || fail "docker has no daemon to build with: start it, or set DOCKER_HOST"

registry=${REGISTRY:-ghcr.io/agentcore-operator}
tag=${TAG:-dev}
common=(--build-arg "VERSION=$tag" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
[[ -z ${PLATFORM:-} ]] || common+=(--platform "$PLATFORM")

# build NAME IMAGE ARGUMENTS...: with the file and the stage of that name.
build() {
  local name=$1 image=$2
  shift 2
  case $name in
    operator | sim) set -- --target "$name" "$@" ;;
    agent) set -- --file agent-image/Dockerfile "$@" ;;
    *) fail "there is no image $name: operator, sim or agent" ;;
  esac
  run attached docker buildx build "${common[@]}" --tag "$image" "$@" .
}

if (($# == 0)); then
  build operator "${IMAGE:-agentcore-operator:dev}" --load
  exit
fi

mkdir -p target/images
for name; do
  image=$registry/agentcore-$name
  if [[ -z ${PUSH:-} ]]; then
    # Images of several platforms cannot be loaded into docker: that they can be built is what is shown then.
    if [[ ${PLATFORM:-} == *,* ]]; then build "$name" "$image:$tag"; else build "$name" "$image:$tag" --load; fi
    continue
  fi
  metadata=target/images/$name.json
  build "$name" "$image:$tag" --push --sbom=true --provenance=mode=max --metadata-file "$metadata"
  digest=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["containerimage.digest"])' "$metadata")
  printf '%s@%s\n' "$image" "$digest" | tee "target/images/$name.ref"
done
