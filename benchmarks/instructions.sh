#!/usr/bin/env bash
# Instructions that the calling thread executes for one call of each path, start-up excluded: two runs of different length
# under callgrind, and their difference. The same on a busy machine. instructions.sh [PROGRAM]
set -euo pipefail
program=${1:-$(dirname "${BASH_SOURCE[0]}")/../build/release/benchmarks/ndb_instructions_benchmark}
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

# total PATH COUNT: instructions of the main thread.
total() {
  local out=$directory/$1.$2
  valgrind --tool=callgrind --separate-threads=yes --callgrind-out-file="$out" "$program" "$1" "$2" >"$out.log" 2>&1 ||
    { cat "$out.log" >&2; exit 1; }
  sed -n 's/^\(totals\|summary\): *//p' "$out-01" | head -n 1
}

# each PATH FEW MANY
each() {
  local few many
  few=$(total "$1" "$2")
  many=$(total "$1" "$3")
  printf '%-6s %d\n' "$1" $(((many - few) / ($3 - $2)))
}

each hit 1000 11000
each batch 20 120
each put 50 250
