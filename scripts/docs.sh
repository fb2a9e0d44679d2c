#!/usr/bin/env bash
# Builds the documentation as a book into target/book/ and fails on links that lead nowhere: to a page, to a heading, to a file of the repository. It asks
# no other site. With --serve the book is shown at http://127.0.0.1:3000 and follows edits; there, links to files outside docs/ and to README.md lead nowhere,
# and diagrams are their text.
#
# Pages link to the rest of the repository as GitHub shows them (../charts/...). The book has docs/ only, and calls each README.md index.html: the copy that
# it is built from has addresses of the repository, and index.md, in such links. It has the script that draws Mermaid's diagrams, too.
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
lychee=$(scripts/tools.sh lychee)
mermaid=$(scripts/tools.sh mdbook-mermaid)
PATH=${mermaid%/*}:$PATH

repository=https://github.com/agentcore-operator/agentcore-operator
copy=target/book-sources
book=$PWD/target/book
rm -rf "$copy"
mkdir -p "$copy"
cp -r book.toml docs "$copy/"
python3 - "$copy" "$repository" <<'PROGRAM'
import os, pathlib, re, sys

copy, repository = pathlib.Path(sys.argv[1]), sys.argv[2]
for page in set(copy.glob("docs/**/*.md")) - {copy / "docs/SUMMARY.md"}:
    folder = page.parent.relative_to(copy)

    def in_the_book(link):
        path, anchor = link[1], link[2] or ""
        target = os.path.normpath(folder / path)
        if "://" in path:
            return link[0]
        if not target.startswith("docs"):
            kind = "tree" if os.path.isdir(target) else "blob"
            return f"]({repository}/{kind}/main/{target}{anchor})"
        page_of_book = re.sub(r"(^|/)README\.md$", r"\1index.md", path)
        return f"]({page_of_book}{anchor})"

    text = page.read_text()
    page.write_text(re.sub(r"\]\(([^)#\s]+)(#[^)\s]*)?\)", in_the_book, text))
PROGRAM
RUST_LOG=warn run mdbook-mermaid install "$copy"
run "$mdbook" build "$copy" --dest-dir "$book"
# A file of the repository is looked for here. The page for printers repeats the others.
run "$lychee" --offline --no-progress --include-fragments --index-files index.html --root-dir "$book" --exclude-path '/print\.html$' \
  --remap "^$repository/(?:blob|edit)/main/ file://$PWD/" "$book/**/*.html" ||
  fail "links of the book lead nowhere"
note "target/book/index.html"
