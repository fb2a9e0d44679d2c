#!/usr/bin/env bash
# Builds the documentation as a book into target/book/; with --serve it is shown at http://127.0.0.1:3000 and follows edits.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

mdbook=$(scripts/tools.sh mdbook)
case ${1:-} in
  '')
    run "$mdbook" build
    note "target/book/index.html"
    ;;
  --serve) exec "$mdbook" serve --hostname 127.0.0.1 ;;
  *) fail "usage: scripts/docs.sh [--serve]" ;;
esac
