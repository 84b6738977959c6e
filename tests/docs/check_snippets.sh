#!/usr/bin/env bash
# Checks that the C++ blocks of the documents are regions of the programs beside this script, which are compiled and run.
#
#   in a document   <!-- snippet: NAME -->        in a program   // [NAME]
#                   ```cpp                                       ...
#                   ...                                          // [/NAME]
#                   ```
#
# check_snippets.sh [--fix] [ROOT]: --fix writes the regions into the documents instead. ROOT is a source tree, by default
# the one this script is in.
set -euo pipefail
fix=
if [[ ${1:-} == --fix ]]; then
  fix=yes
  shift
fi
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"

mapfile -t programs < <(find tests/docs -name '*.cc' -o -name '*.h' | sort)

# expand DOCUMENT: prints it with every block replaced by its region. Fails on a block without a region.
expand() {
  awk '
    function fail(why) {
      printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"
      failed = 1
    }

    # A region without the indentation that all its lines share.
    function show(name, lines, n, i, indent, least) {
      n = split(text[name], lines, "\n") - 1
      least = -1
      for (i = 1; i <= n; i++) {
        match(lines[i], /^ */)
        if (lines[i] != "" && (least < 0 || RLENGTH < least)) least = RLENGTH
      }
      for (i = 1; i <= n; i++) print substr(lines[i], least + 1)
    }

    FILENAME ~ /\.(cc|h)$/ {
      if ($0 ~ /^ *\/\/ \[\/?[a-z0-9_]+\]$/) {
        name = $2
        gsub(/[][\/]/, "", name)
        if ($2 ~ /\//) {
          if (!(name in inside)) fail("[/" name "] has no beginning")
          delete inside[name]
        } else {
          if (name in text) fail("there is a second [" name "]")
          inside[name] = 1
          text[name] = ""
        }
        next
      }
      for (name in inside) text[name] = text[name] $0 "\n"
      next
    }

    in_block {
      if ($0 != "```") next
      in_block = 0
    }
    /^<!-- snippet: [a-z0-9_]+ -->$/ {
      wanted = $3
      if (!(wanted in text)) fail("no program has a region [" wanted "]")
      print
      next
    }
    /^```cpp$/ {
      if (wanted == "") fail("a C++ block needs a line <!-- snippet: NAME --> before it")
      print
      show(wanted)
      wanted = ""
      in_block = 1
      next
    }
    wanted != "" { fail("```cpp must follow the line <!-- snippet: " wanted " -->"); wanted = "" }
    { print }
    END { exit failed }
  ' "${programs[@]}" "$1"
}

scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
bad=0
for document in README.md docs/*.md; do
  if ! expand "$document" >"$scratch"; then
    bad=1
  elif [[ $fix ]]; then
    cmp -s "$document" "$scratch" || cp "$scratch" "$document"
  elif ! diff -u --label "$document" --label "$document, as its snippets are" "$document" "$scratch"; then
    bad=1
  fi
done
[[ $fix ]] || ((bad == 0)) || echo "the blocks above differ from the programs in tests/docs; tests/docs/check_snippets.sh --fix copies them" >&2
exit "$bad"
