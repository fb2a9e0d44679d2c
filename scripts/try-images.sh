#!/usr/bin/env bash
# Builds the images and starts them, as far as that can be done without Docker and without pulling anything.
#
# The last stages of operator and simulator are made of this machine's programs and do, beside a real API server, what the overlay for development
# promises: an agent is pushed, made and called. Of the files that reach a build cargo must find all it wants. The agent's Dockerfile is built whole, with
# this machine in the place of its base image, when its inputs have changed since SINCE (a commit; the last 20 when absent).
#
# Needs root that may mount, and Debian's buildah, which it installs; the agent also overlay and rustup. What is missing is named, and is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
no_proxy_for_loopback

target=${CARGO_TARGET_DIR:-$PWD/target}/debug
platform=linux/$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
musl=$(uname -m)-unknown-linux-musl
agent_inputs=(agent-image .cargo .dockerignore Cargo.toml Cargo.lock)

# ---- images --------------------------------------------------------------------------------------------------------

# Images of a few files are copied faster than overlaid, and where /tmp is an overlay itself there can be no other.
storage() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }

# bud NAME FOLDER OPTIONS...: one build, of which the last lines are shown when it fails.
bud() {
  local name=$1 folder=$2 begun=$SECONDS
  shift 2
  storage bud --isolation chroot --pull-never --timestamp 0 --platform "$platform" --tag "$name" "$@" "$folder" >"$work/bud.log" 2>&1 || {
    tail -n 30 "$work/bud.log" >&2
    fail "the image was not built: $name"
  }
  note "$name: $((SECONDS - begun)) s"
}

# stage NAME PROGRAM...: the last stage of that name, with a folder in the place of the stage that builds its programs.
stage() {
  local name=$1 folder=$work/build-$1 program
  shift
  mkdir -p "$folder/out/root/tmp" "$folder/out/root/etc/ssl/certs"
  chmod 1777 "$folder/out/root/tmp"
  cp /etc/ssl/certs/ca-certificates.crt "$folder/out/root/etc/ssl/certs/"
  for program; do strip -o "$folder/out/$program" "$target/$program"; done
  bud "$name" . --target "$name" --build-context "build-$name=$folder"
}

# context: what .dockerignore lets in is all that the Dockerfiles copy and that cargo needs to begin.
context() {
  printf '%s\n' 'FROM scratch' 'COPY scripts/image-tools.txt Cargo.lock /' 'COPY . /src/' >"$work/context.Dockerfile"
  bud context . --ignorefile .dockerignore --file "$work/context.Dockerfile"
  local root
  root=$(storage mount "$(storage from --pull-never context)")
  cargo fetch --quiet --locked --target "$(uname -m)-unknown-linux-gnu" --manifest-path "$root/src/Cargo.toml" ||
    fail ".dockerignore keeps from the images what cargo needs"
}

# agent_changed: whether the agent's image may be another one than at a commit; where that one is not known, it may.
agent_changed() { ! git diff --quiet "$1" -- "${agent_inputs[@]}" 2>/dev/null; }

# agent_lacks: names what the agent's Dockerfile needs and this machine does not have.
agent_lacks() {
  mkdir -p "$work"/overlay/{lower,upper,work,merged}
  mount -t overlay -o "lowerdir=$work/overlay/lower,upperdir=$work/overlay/upper,workdir=$work/overlay/work" overlay "$work/overlay/merged" 2>/dev/null ||
    echo "overlay on $work"
  if ! command -v rustup >/dev/null; then
    echo rustup
  elif ! rustup target list --installed | grep -qx "$musl"; then
    curl --silent --fail --head --max-time 20 "$dist/rustup/release-stable.toml" >/dev/null || echo "the target $musl, or $dist"
  fi
}

# agent: the agent's whole Dockerfile. Its base is empty but for links: the system, the compiler and the crates are this machine's. What a step writes there may
# be gone with the step (buildah 1.28); the compiler's folder has an overlay for all steps, as one adds the target that the next builds for.
agent() {
  local base=$work/base folder volumes=() rustup=$work/rustup
  mkdir -p "$rustup"/{upper,work,merged}
  mount -t overlay -o "lowerdir=$(rustup show home),upperdir=$rustup/upper,workdir=$rustup/work" overlay "$rustup/merged"
  mkdir -p "$base"/{cargo,rustup,tmp,usr,root}
  chmod 1777 "$base/tmp"
  for folder in /bin /sbin /lib /lib64; do
    if [[ -L $folder ]]; then cp -a "$folder" "$base/"; elif [[ -d $folder ]]; then volumes+=(--volume "$folder:$folder:ro"); fi
  done
  for folder in /etc/ssl /etc/alternatives; do volumes+=(--volume "$folder:$folder:ro"); done
  volumes+=(--volume /usr:/usr:O --volume "$rustup/merged:/rustup" --volume "${CARGO_HOME:-$HOME/.cargo}:/cargo:O")
  # Whether it can be built and runs is asked here, not how fast it is.
  cat >"$work/base.Dockerfile" <<EOF
FROM scratch
COPY . /
ENV PATH=/cargo/bin:/usr/bin:/bin CARGO_HOME=/cargo RUSTUP_HOME=/rustup RUSTUP_DIST_SERVER=$dist
ENV RUSTUP_TOOLCHAIN=$(rustup show active-toolchain | cut -d ' ' -f 1)
ENV CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
EOF
  bud base "$base" --file "$work/base.Dockerfile"
  bud agent . --file agent-image/Dockerfile "${volumes[@]}" --build-arg RUST_IMAGE=localhost/base --build-arg "BUILDPLATFORM=$platform"
}

# ---- containers ----------------------------------------------------------------------------------------------------

# launch NAME IMAGE OPTIONS... -- [ARGUMENTS...]: starts an image as a container runtime would, with its own entrypoint, and with its own command unless
# there are ARGUMENTS; its output goes to $work/NAME.log.
launch() {
  local name=$1 image=$2 options=() words container
  shift 2
  while [[ $1 != -- ]]; do options+=("$1") && shift; done
  shift
  mapfile -t words < <(storage inspect --type image "$image" | python3 -c '
import json, sys
config = json.load(sys.stdin)["OCIv1"]["config"]
print(*config["Entrypoint"], *(sys.argv[1:] or config.get("Cmd", [])), sep="\n")' "$@")
  container=$(storage from --pull-never "$image")
  start "$work/$name.log" storage run --isolation chroot "${options[@]}" "$container" -- "${words[@]}"
}

# await WHAT SECONDS NAME COMMAND...: until the command succeeds; NAME is whose log explains a failure.
await() {
  local what=$1 name=$3 deadline=$((SECONDS + $2))
  shift 3
  until "$@" >"$work/last" 2>&1; do
    ((SECONDS < deadline)) || {
      tail -n 30 "$work/last" "$work/$name.log" >&2
      fail "not in time: $what"
    }
    sleep 0.2
  done
  note "$what"
}

said() { grep -q "$2" "$work/$1.log"; }
http() { curl --silent --show-error --fail-with-body --max-time 20 --noproxy '*' "$@"; }

# answers WORDS OPTIONS...: an answer's words; a failure shows them.
answers() {
  local wanted=$1
  shift
  http --header 'Content-Type: application/json' --data '{"prompt": "Hello"}' "$@" | tee /dev/stderr | grep -q "$wanted"
}

# call_an_agent: the images of simulator and operator beside a real API server.
call_an_agent() {
  local sim=http://127.0.0.1:4680 id
  # The programs of target/debug want the C library of this machine.
  local libraries=(--volume /lib:/lib:ro --volume /usr/lib:/usr/lib:ro) folder
  for folder in /lib64 /usr/lib64; do [[ ! -d $folder ]] || libraries+=(--volume "$folder:$folder:ro"); done

  start "$work/cluster.log" "$target/testcluster" up --dir "$work/cluster"
  launch sim sim "${libraries[@]}" --
  await "the simulator answers" 60 sim http "$sim/_sim/healthz"
  launch push sim "${libraries[@]}" -- push "--endpoint=$sim" --program=/usr/local/bin/agentcore-agent support:prod
  await "the agent's program is pushed" 60 push said push sha256:
  await "the API server answers" 180 cluster said cluster '^export KUBECONFIG='
  export KUBECONFIG=$work/cluster/kubeconfig
  kubectl apply --server-side -f crds/ >/dev/null
  install -m 644 "$KUBECONFIG" "$work/kubeconfig"
  launch operator operator "${libraries[@]}" --volume "$work/kubeconfig:/kubeconfig:ro" --env KUBECONFIG=/kubeconfig \
    --env AGENTCORE_CLUSTER_ID=images --env AGENTCORE_LEASE_NAMESPACE=default --env "AWS_ENDPOINT_URL=$sim" --env AWS_REGION=us-east-1 \
    --env AWS_ACCESS_KEY_ID=test --env AWS_SECRET_ACCESS_KEY=test --env AWS_EC2_METADATA_DISABLED=true --
  kubectl create namespace team-a >/dev/null
  await "the examples are taken" 60 cluster kubectl apply -f examples/support.yaml
  await "the runtime is Ready" 120 operator kubectl --namespace team-a wait --for=condition=Ready --timeout=1s agentruntime/support
  id=$(kubectl --namespace team-a get agentruntime support --output 'jsonpath={.status.id}')
  await "the agent answers" 60 sim answers '"response":"Hello"' --aws-sigv4 aws:amz:us-east-1:bedrock-agentcore --user test:test \
    --header "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: $(printf 'images-%032d' 1)" "$sim/runtimes/$id/invocations?accountId=111122223333"
}

call_the_agents_image() {
  launch agent agent --
  await "the agent's own image answers" 60 agent answers '"response":"Hello"' http://127.0.0.1:8080/invocations
}

# ---- namespaces ----------------------------------------------------------------------------------------------------

# apart WHAT NAMESPACES...: one of the functions here, in namespaces of its own.
apart() { attached unshare "${@:2}" "$PWD/scripts/try-images.sh" --apart "$work" "$1"; }

# Mounts and processes end with the first process, so that nothing of the machine can be mounted there when the folder is removed.
images() {
  step "Build the last stages of simulator and operator"
  context
  stage sim agentcore-sim agentcore-agent
  stage operator agentcore-operator
  step "Start them: an agent is pushed, made and called"
  apart call_an_agent --net

  local lacks since=${SINCE:-HEAD~20} dist=${RUSTUP_DIST_SERVER:-https://static.rust-lang.org}
  if ! agent_changed "$since"; then
    step "agent-image/Dockerfile was not built: its inputs are those of $since"
    return
  fi
  lacks=$(agent_lacks | paste -sd , -)
  if [[ $lacks ]]; then
    step "agent-image/Dockerfile was NOT built: this needs $lacks"
    return
  fi
  step "Build the agent's whole Dockerfile, with this machine as its base image, and start it"
  agent
  apart call_the_agents_image --net
}

if [[ ${1:-} == --apart ]]; then
  work=$2
  trap stop_all EXIT
  # What `ip link set lo up` does, where there is no `ip`.
  [[ $3 == images ]] || python3 -c 'import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 0x41))'
  "$3"
  exit
fi

namespaces=(--mount --pid --fork --kill-child --mount-proc)
lacks=()
if [[ $(id -u) != 0 ]]; then
  lacks+=(root)
elif ! unshare --net "${namespaces[@]}" true 2>/dev/null; then
  lacks+=("the right to mount and to make namespaces (CAP_SYS_ADMIN)")
else
  install_packages buildah:buildah strip:binutils
  for program in buildah strip python3 curl; do command -v "$program" >/dev/null || lacks+=("$program"); done
fi
if ((${#lacks[@]})); then
  step "The images were NOT built: this needs $(printf '%s\n' "${lacks[@]}" | paste -sd , -)"
  exit
fi

step "Build the programs, and beside them find or build Kubernetes"
build_programs "$target"
PATH=$("$target/testcluster" programs):$PATH

work=$(mktemp -d)
export TMPDIR=$work
trap 'stop_all; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

apart images "${namespaces[@]}" || fail "the images do not run"
step "the images run: $SECONDS s"
