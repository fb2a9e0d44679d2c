#!/usr/bin/env bash
# buildah v1.41.4: COPY of a folder gives the folder in the image the mode 0755; what is in it keeps its own.
#
# Expected: the sticky /tmp of a build stage is one in an image from scratch, by `COPY --from=build /out/tmp /tmp`.
# Seen: /tmp has 0755 and belongs to root, so that a program with another user cannot write there. With the folder one level deeper, as a member of
# what is copied, the mode is kept.
# Way around: copy the parent folder, `COPY --from=build /out/root /` with /out/root/tmp in it.
#
# Needs root and Go (some minutes: buildah is compiled). Fails if the behaviour has changed.
set -euo pipefail

version=v1.41.4
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT

source=$(cd "$folder" && go mod download -json "github.com/containers/buildah@$version" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
(cd "$source" && CGO_ENABLED=0 go build -mod=readonly -o "$folder/buildah" -tags 'containers_image_openpgp exclude_graphdriver_btrfs' ./cmd/buildah)

buildah=$folder/buildah
mkdir -p "$folder/context/out/tmp/inside" "$folder/context/root/tmp"
chmod 1777 "$folder/context/out/tmp" "$folder/context/out/tmp/inside" "$folder/context/root/tmp"
# It looks for a program that makes networks before it does anything; nothing here has one.
mkdir "$folder/helpers"
ln -s /bin/false "$folder/helpers/netavark"
printf '[engine]\nhelper_binaries_dir = ["%s"]\n[network]\nnetwork_backend = "netavark"\n' "$folder/helpers" >"$folder/containers.conf"
export CONTAINERS_CONF=$folder/containers.conf
printf '{"default": [{"type": "insecureAcceptAnything"}]}\n' >"$folder/policy.json"

# modes DOCKERFILE: the modes of the folders in the image that it makes.
modes() {
  local options=(--root "$folder/storage" --runroot "$folder/run" --storage-driver vfs) container
  printf '%s\n' "$@" >"$folder/Dockerfile"
  "$buildah" "${options[@]}" build --quiet --isolation chroot --signature-policy "$folder/policy.json" --file "$folder/Dockerfile" \
    --tag example "$folder/context" >/dev/null
  container=$("$buildah" "${options[@]}" from --pull=never --signature-policy "$folder/policy.json" example)
  (cd "$("$buildah" "${options[@]}" mount "$container")" && find . -mindepth 1 -printf '%P %m\n' | sort)
  "$buildah" "${options[@]}" rm "$container" >/dev/null
}

seen=$(
  echo 'COPY out/tmp /tmp:'
  modes 'FROM scratch' 'COPY out/tmp /tmp'
  echo 'COPY root /:'
  modes 'FROM scratch' 'COPY root /'
)
expected='COPY out/tmp /tmp:
tmp 755
tmp/inside 1777
COPY root /:
tmp 1777'

printf 'buildah %s\n%s\n' "$version" "$seen"
if [[ $seen != "$expected" ]]; then
  echo "the behaviour has changed" >&2
  exit 1
fi
