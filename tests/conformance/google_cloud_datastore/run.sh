#!/usr/bin/env bash
# Our own round trips through Google's client for Node.js: every value type, queries, transactions, ids, errors.
set -euo pipefail
# shellcheck source=../support.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

use_node
npm_install
# shellcheck disable=SC2119 # no option is meant
start_datastore
cp "$suite_dir"/*.mjs "$work/"
cd "$work"
run_suite node --test --test-reporter=tap ./*.test.mjs
