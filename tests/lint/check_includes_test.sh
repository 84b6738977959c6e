#!/usr/bin/env bash
# The include check must accept what is allowed and name each thing that is not.
set -euo pipefail
check=$(dirname "${BASH_SOURCE[0]}")/check_includes.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

# expect accept|refuse FILE LINE: how the check judges a tree in which FILE holds LINE.
expect() {
  local verdict=accept
  rm -rf "${tree:?}"/*
  mkdir -p "$tree/include/ndb" "$tree/src" "$(dirname "$tree/$2")"
  printf '%s\n' '#pragma once' "$3" >"$tree/$2"
  bash "$check" "$tree" >"$tree/output" || verdict=refuse
  if [[ $verdict != "$1" ]] || { [[ $verdict == refuse ]] && ! grep -q "^$2:" "$tree/output"; }; then
    printf 'expected to %s, and to name the file: %s in %s; got %s:\n' "$1" "$3" "$2" "$verdict"
    cat "$tree/output"
    failures=$((failures + 1))
  fi
}

expect accept include/ndb/key.h '#include <string_view>'
expect accept include/ndb/key.h '#include "ndb/detail/payload.h"'
expect accept include/ndb/key.h '#include "absl/status/statusor.h"'
expect accept src/model/key.cc '#include "ndb/wire/datastore.pb.h"'
expect accept src/model/key.cc '#include "base/strings.h"'
expect accept src/model/key.cc '#include "model/key.h"'
expect accept src/context/context.cc '#include "memcache/gateway.h"'
expect accept src/local_datastore/engine.cc '#include "local_datastore/storage/kv_store.h"'
expect accept src/local_datastore/query/run.cc '#include "local_datastore/rules.h"'
expect accept src/local_datastore/query/run.cc '#include "google/datastore/v1/datastore.pb.h"'
expect accept src/local_datastore/storage/kv_store.cc '#include <rocksdb/db.h>'
expect accept src/memcache/transport/continuum.cc '#include <libhashkit-1.0/hashkit.h>'
expect accept src/memcache/operations/writer.cc '#include "memcache/protocol/sequences.h"'
expect accept src/memcache/protocol/deeper/folder.cc '#include "memcache/protocol/record.h"'
expect accept src/tools/entity_json.cc '#include <nlohmann/json.hpp>'
expect accept src/local_datastore/storage/store_files.cc '#include <boost/crc.hpp>'
expect accept src/model/key.cc '// as in #include "context/context.h"'

expect refuse include/ndb/key.h '#include "base/strings.h"'
expect refuse include/ndb/key.h '#include "absl/strings/string_view.h"'
expect refuse include/ndb/key.h '#include "ndb/wire/datastore.pb.h"'
expect refuse include/ndb/detail/loop.h '#include <boost/context/fiber.hpp>'
expect refuse include/ndb/client.h '#include <grpcpp/channel.h>'
expect refuse src/base/log.cc '#include "model/key.h"'
expect refuse src/base/log.h '  #  include "model/key.h"'
expect refuse src/model/key.cc '#include "tasklet/event_loop.h"'
expect refuse src/local_datastore/engine.cc '#include "front_door/methods.h"'
expect refuse src/local_datastore/rules.cc '#include "local_datastore/engine.h"'
expect refuse src/local_datastore/engine.cc '#include <rocksdb/db.h>'
expect refuse src/local_datastore/storage/kv_store.cc '#include <boost/asio.hpp>'
expect refuse src/local_datastore/query/run.cc '#include "local_datastore/engine.h"'
expect refuse src/local_datastore/storage/kv_store.cc '#include "local_datastore/query/run.h"'
expect refuse src/local_datastore/concurrency/lock_table.h '#include "local_datastore/query/run.h"'
expect refuse src/local_datastore/storage/kv_store.cc '#include "query/query.h"'
expect refuse src/front_door/service.cc '#include "local_datastore/storage/kv_store.h"'
expect refuse src/front_door/service.cc '#include "datastore/stub.h"'
expect refuse src/query/query.cc '#include "key.h"'
expect refuse src/context/context.cc '#include <libhashkit-1.0/hashkit.h>'
expect refuse src/context/context.cc '#include "google/datastore/v1/datastore.pb.h"'
expect refuse src/local_datastore/rules.cc '#include <nlohmann/json.hpp>'
expect refuse src/context/context.cc '#include "memcache/protocol/record.h"'
expect refuse src/memcache/protocol/record.cc '#include "memcache/gateway.h"'
expect refuse src/memcache/protocol/deeper/folder.cc '#include "memcache/transport/connection.h"'
expect refuse src/memcache/operations/writer.cc '#include <libhashkit-1.0/hashkit.h>'
expect refuse src/cellar/wine.cc '#include "base/log.h"'
expect refuse src/cellar/barrel/wine.cc '#include "base/log.h"'

exit "$((failures != 0))"
