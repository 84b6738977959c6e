#!/usr/bin/env bash
# Suites of Datastore clients, each on a fresh local Datastore; `./dev conformance` calls it once the server is built.
# run.sh [SUITE...]: by default every folder beside this file that has a run.sh. The others go on after one that fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

suites=("$@")
if ((${#suites[@]} == 0)); then
  for script in */run.sh; do suites+=("${script%/run.sh}"); done
fi
for suite in "${suites[@]}"; do
  [[ -f $suite/run.sh ]] || {
    echo "conformance: there is no suite $suite; the suites: $(printf '%s ' */run.sh | sed 's|/run.sh||g')" >&2
    exit 2
  }
done

failed=()
for suite in "${suites[@]}"; do
  printf '== %s\n' "$suite"
  start=$SECONDS
  "$suite/run.sh" || failed+=("$suite")
  printf '== %s: %d s\n' "$suite" $((SECONDS - start))
done
((${#failed[@]} == 0)) || {
  echo "conformance: failed: ${failed[*]}" >&2
  exit 1
}
