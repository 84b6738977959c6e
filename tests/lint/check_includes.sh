#!/usr/bin/env bash
# Checks who includes whom in src/ and include/. The two tables below are the rules; docs/architecture.md explains them.
# check_includes.sh [DIRECTORY]: the root of a source tree, by default the one this script is in.
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"

# A room of src/, or a part of one: what it may include besides itself, the public headers and the standard library. The part
# is a folder within the room, or a file without its ending; what has no row of its own follows the row of the folder that it
# is in. To list a room does not list the parts of it that have rows.
rooms='
base:
observe: base
model: base
tasklet: base
memcache: base observe memcache/protocol
memcache/protocol: base
memcache/transport: base observe memcache memcache/protocol
memcache/operations: base memcache memcache/protocol memcache/transport
datastore: base observe
shared_cache: base tasklet memcache
context: base observe model tasklet memcache datastore shared_cache
query: base datastore context
worker_pool: base tasklet context
local_datastore: base local_datastore/limits local_datastore/call_context local_datastore/version local_datastore/rules local_datastore/gql local_datastore/query local_datastore/composite local_datastore/write local_datastore/concurrency local_datastore/storage
local_datastore/version: base
local_datastore/call_context: base
local_datastore/limits:
local_datastore/rules: base local_datastore/limits
local_datastore/gql: base local_datastore/limits local_datastore/version local_datastore/rules local_datastore/storage
local_datastore/query: base local_datastore/limits local_datastore/call_context local_datastore/rules local_datastore/concurrency local_datastore/storage
local_datastore/composite: base local_datastore/limits local_datastore/call_context local_datastore/rules local_datastore/query
local_datastore/write: base local_datastore/limits local_datastore/version local_datastore/rules local_datastore/storage
local_datastore/concurrency: base local_datastore/call_context local_datastore/version local_datastore/rules
local_datastore/storage: base local_datastore/call_context local_datastore/version
front_door: base local_datastore local_datastore/call_context local_datastore/limits local_datastore/composite
tools: base model memcache datastore context
'

# The beginning of an include, and the rooms, or parts of rooms, that may have it. All others are allowed everywhere.
libraries='
xxhash.h: base memcache/protocol
zlib.h: front_door model
zstd.h: memcache/protocol
nlohmann/: tools
libhashkit: memcache/transport
rocksdb/: local_datastore/storage
yaml-cpp/: local_datastore/composite
boost/: tasklet front_door
boost/crc.hpp: local_datastore/storage
google/datastore/: local_datastore front_door tools
google/type/: local_datastore
'

# Public headers include public headers, the standard library and absl/status; ndb/wire/ is generated and not public.
mapfile -d '' -t files < <(find include src -name '*.h' -print0 -o -name '*.cc' -print0 | sort -z)
awk -v rooms="$rooms" -v libraries="$libraries" '
  function complain(why) {
    printf "%s:%d: %s: %s\n", FILENAME, FNR, name, why
    bad = 1
  }

  function lists(list, item) { return index(" " list " ", " " item " ") > 0 }

  # The row that a path below src/ follows: the longest beginning of it that has one.
  function row_of(path) {
    sub(/\.[a-z]+$/, "", path)
    while (path != "" && !(path in may))
      if (!sub(/\/[^\/]*$/, "", path)) return ""
    return path
  }

  # Whether a list has the row, or the room or folder that it is a part of.
  function lists_whole(list, row) {
    do if (lists(list, row)) return 1
    while (sub(/\/[^\/]*$/, "", row))
    return 0
  }

  BEGIN {
    n = split(rooms, rows, "\n")
    for (i = 1; i <= n; i++) if (split(rows[i], row, ": *") >= 1 && row[1] != "") may[row[1]] = row[2]
    n = split(libraries, rows, "\n")
    for (i = 1; i <= n; i++) if (split(rows[i], row, ": *") == 2) owners[row[1]] = row[2]
  }

  FNR == 1 {
    room = ""
    if (FILENAME ~ /^src\//) {
      room = row_of(substr(FILENAME, 5))
      if (room == "") {
        split(FILENAME, path, "/")
        name = path[2]
        complain("no row in the table of rooms in tests/lint/check_includes.sh")
        nextfile
      }
    }
  }

  /^[ \t]*#[ \t]*include[ \t]*["<]/ {
    match($0, /["<][^">]*[">]/)
    name = substr($0, RSTART + 1, RLENGTH - 2)
    quoted = substr($0, RSTART, 1) == "\""
    other = quoted ? row_of(name) : ""

    if (room == "") {
      if (quoted ? name !~ /^(ndb\/|absl\/status\/)/ || name ~ /^ndb\/wire\// : name !~ /^[a-z_0-9]+$/)
        complain("a public header includes only public headers, absl/status and the standard library")
      next
    }
    if (quoted && name !~ /\//) complain("name the room: \"" room "/" name "\"")
    if (other != "" && other != room && !lists(may[room], other))
      complain(room " may not know " other "; it may include: " (may[room] == "" ? "no other room" : may[room]))
    library = ""  # the longest beginning that has a row
    for (prefix in owners) if (index(name, prefix) == 1 && length(prefix) > length(library)) library = prefix
    if (library != "" && !lists_whole(owners[library], room))
      complain("only these rooms may include it: " owners[library])
  }

  END { exit bad }
' "${files[@]}"
