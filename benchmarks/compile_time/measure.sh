#!/usr/bin/env bash
# The compiler's own time (user seconds, median of 7) for a file with ten models, with a precompiled header and without,
# in turns. Give it the include/ of another version to measure that too. measure.sh [INCLUDE_DIRECTORY...]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
TIMEFORMAT=%U
compile=("${CXX:-g++}" -std=c++20 -O2)

# seconds ARGUMENT...: of one compilation.
seconds() {
  { time "${compile[@]}" "$@" -c "$here/ten_models.cc" -o "$directory/out.o"; } 2>&1 | tail -n 1
}

median() { sort -n "$1" | sed -n 4p; }

mkdir -p "$directory/precompiled/ndb"
cp "$root/include/ndb/ndb.h" "$directory/precompiled/ndb/"
"${compile[@]}" -w -I"$root/include" -x c++-header "$directory/precompiled/ndb/ndb.h" \
  -o "$directory/precompiled/ndb/ndb.h.gch"
for ((round = 0; round < 7; ++round)); do
  seconds -I"$root/include" >>"$directory/plain"
  seconds -I"$directory/precompiled" -I"$root/include" >>"$directory/with_precompiled"
  for ((i = 1; i <= $#; ++i)); do seconds -I"${!i}" >>"$directory/other.$i"; done
done
printf '%-40s %s s\n' 'these headers' "$(median "$directory/plain")" \
  'the same, ndb/ndb.h precompiled' "$(median "$directory/with_precompiled")"
for ((i = 1; i <= $#; ++i)); do printf '%-40s %s s\n' "${!i}" "$(median "$directory/other.$i")"; done
