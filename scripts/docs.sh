#!/usr/bin/env bash
# Builds the documentation as a book into target/book/. With --serve it is shown at http://127.0.0.1:3000 and follows edits; there, links
# to files outside docs/ lead nowhere.
#
# Pages link to the rest of the repository as GitHub shows them (../charts/...). The book has docs/ only: in the copy that it is built
# from, such links become addresses of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need python3 "install Python 3"
mdbook=$(scripts/tools.sh mdbook)
case ${1:-} in
  '') ;;
  --serve) exec "$mdbook" serve --hostname 127.0.0.1 ;;
  *) fail "usage: scripts/docs.sh [--serve]" ;;
esac

copy=target/book-sources
rm -rf "$copy"
mkdir -p "$copy"
cp -r book.toml docs "$copy/"
python3 - "$copy" <<'PROGRAM'
import os, pathlib, re, sys

copy = pathlib.Path(sys.argv[1])
repository = "https://github.com/agentcore-operator/agentcore-operator/blob/main/"
for page in copy.glob("docs/**/*.md"):
    folder = page.parent.relative_to(copy)

    def absolute(link):
        target = os.path.normpath(folder / link[1])
        outside = not target.startswith("docs") and "://" not in link[1]
        return f"]({repository}{target})" if outside else link[0]

    text = page.read_text()
    page.write_text(re.sub(r"\]\(([^)#\s]+)\)", absolute, text))
PROGRAM
run "$mdbook" build "$copy" --dest-dir "$PWD/target/book"
note "target/book/index.html"
