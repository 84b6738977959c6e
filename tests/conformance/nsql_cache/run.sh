#!/usr/bin/env bash
# nsql-cache-datastore's own tests, which its package ships, with the current client instead of the one of 2018. They
# cache in memory and in Redis.
set -euo pipefail
# shellcheck source=../support.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

use_node
npm_install
# shellcheck disable=SC2119 # no option is meant
start_datastore
start_redis
cd "$work/node_modules/nsql-cache-datastore"
run_suite ../.bin/mocha test --recursive --exit --timeout 10000 --reporter tap --integration \
  --require "$suite_dir/first_client.cjs"
