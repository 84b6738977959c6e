#!/usr/bin/env bash
# Tests check_snippets.sh on small trees: each case is a document, a program, and whether the check should pass.
set -euo pipefail
check=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/check_snippets.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/docs" "$tree/tests/docs"
printf 'No code.\n' >"$tree/docs/guide.md"
failed=0

# expect pass|fail WHAT DOCUMENT PROGRAM
expect() {
  local verdict=pass
  printf '%b' "$3" >"$tree/README.md"
  printf '%b' "$4" >"$tree/tests/docs/code.cc"
  "$check" "$tree" >/dev/null 2>&1 || verdict=fail
  [[ $verdict == "$1" ]] || {
    echo "$2: expected $1, got $verdict"
    failed=1
  }
}

fence=$'\x60\x60\x60'
named="<!-- snippet: one -->\n${fence}cpp\n"
expect pass 'equal but for the indentation' "${named}if (a)\n  b();\n$fence\n" '  // [one]\n  if (a)\n    b();\n  // [/one]\n'
expect fail 'a changed line' "${named}b();\n$fence\n" '// [one]\nc();\n// [/one]\n'
expect fail 'a line too many' "${named}b();\nc();\n$fence\n" '// [one]\nb();\n// [/one]\n'
expect fail 'an unknown region' "${named}b();\n$fence\n" '// [two]\nb();\n// [/two]\n'
expect fail 'a block without a name' "${fence}cpp\nb();\n$fence\n" '// [one]\nb();\n// [/one]\n'
expect fail 'a name without a block' '<!-- snippet: one -->\nText.\n' '// [one]\nb();\n// [/one]\n'
expect fail 'two regions of one name' "${named}b();\n$fence\n" '// [one]\nb();\n// [/one]\n// [one]\n// [/one]\n'
expect pass 'other languages are not checked' "$fence\n./dev test\n$fence\n" ''
expect pass 'a region inside a region' "${named}a();\nb();\n$fence\n" '// [one]\na();\n// [two]\nb();\n// [/two]\n// [/one]\n'

printf '%b' "${named}old();\n$fence\nText.\n" >"$tree/README.md"
printf '  // [one]\n  new_one();\n  // [/one]\n' >"$tree/tests/docs/code.cc"
"$check" --fix "$tree"
printf '%b' "${named}new_one();\n$fence\nText.\n" | cmp "$tree/README.md" - || {
  echo '--fix: did not write the region'
  failed=1
}
exit "$failed"
