#!/usr/bin/env bash
# The tests that @naturalcycles/db-lib has for databases, on its @naturalcycles/datastore-lib.
set -euo pipefail
# shellcheck source=../support.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

use_node
npm_install
# shellcheck disable=SC2119 # no option is meant
start_datastore
cp "$suite_dir"/*.test.mjs "$work/"
cd "$work"
run_suite node_modules/.bin/vitest run --reporter=tap-flat
