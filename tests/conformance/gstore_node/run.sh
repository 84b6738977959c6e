#!/usr/bin/env bash
# gstore-node's own integration tests, which its package ships. They list whole kinds, and cache in Redis.
set -euo pipefail
# shellcheck source=../support.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

use_node
npm_install
# shellcheck disable=SC2119 # no option is meant
start_datastore
start_redis
rm -rf "$work/tests"
cp -r "$work/node_modules/gstore-node/__tests__/integration" "$work/tests"
cp "$suite_dir/as_jest.cjs" "$work/"
cd "$work"
run_suite node_modules/.bin/mocha --file as_jest.cjs --exit --timeout 10000 --reporter tap 'tests/*.ts'
