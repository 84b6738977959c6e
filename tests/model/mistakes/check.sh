#!/bin/bash
# check.sh COMPILER INCLUDE_DIR: each mistake in mistakes.cc must be refused with the words it names (`|` between those of
# different compilers), in at most 80 lines of errors; the program without a mistake must compile.
set -u
export LC_ALL=C  # messages with plain quotes
compiler=$1 include=$2
source=$(dirname "$0")/mistakes.cc
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=c++20 -fno-diagnostics-color -I"$include")

# The headers once, precompiled, or every mistake would take seconds.
grep -h '^#include "ndb/' "$source" >"$work/headers.h"
"$compiler" "${flags[@]}" -x c++-header "$work/headers.h" -o "$work/headers.h.gch" || exit 1
compile() { "$compiler" "${flags[@]}" -include "$work/headers.h" -fsyntax-only -DMISTAKE="$1" "$source" 2>&1; }

check() {
  local number=$1 words output lines
  words=$(sed -n "s|^#elif MISTAKE == $number  // .*; says: ||p" "$source")
  if output=$(compile "$number"); then
    echo "mistake $number compiles"
    return 1
  fi
  if ! grep -qF -- "${words//|/$'\n'}" <<<"$output"; then  # any of its alternatives
    printf 'mistake %s does not say: %s\n%s\n' "$number" "$words" "$(head -20 <<<"$output")"
    return 1
  fi
  lines=$(wc -l <<<"$output")
  if ((lines > 80)); then
    echo "mistake $number takes $lines lines of errors"
    return 1
  fi
}

if ! compile 0; then
  echo "the program without a mistake does not compile"
  exit 1
fi
failures=0
pids=()
mapfile -t numbers < <(sed -n 's|^#elif MISTAKE == \([0-9]*\) .*|\1|p' "$source")
for number in "${numbers[@]}"; do
  check "$number" &
  pids+=($!)
  if ((${#pids[@]} >= 4)); then
    wait "${pids[0]}" || failures=$((failures + 1))
    pids=("${pids[@]:1}")
  fi
done
for pid in "${pids[@]}"; do wait "$pid" || failures=$((failures + 1)); done
echo "$failures mistakes are not told as they should be"
((failures == 0))
