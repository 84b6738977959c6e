#!/usr/bin/env bash
# Checks who includes whom in src/ and include/. The two tables below are the rules; docs/architecture.md explains them.
# check_includes.sh [DIRECTORY]: the root of a source tree, by default the one this script is in.
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"

# A room of src/: the rooms that it may include. All may include themselves, the public headers and the standard library.
rooms='
base:
model: base
tasklet: base
memcache: base model tasklet
datastore: base model tasklet
shared_cache: base model tasklet memcache
context: base model tasklet memcache datastore shared_cache
query: base model tasklet memcache datastore shared_cache context
local_datastore: base model
front_door: base local_datastore
tools: base model tasklet memcache datastore shared_cache context query local_datastore front_door
'

# How an include begins, and the rooms that may have it. What no row mentions is open to every room.
libraries='
libmemcached: memcache
rocksdb/: local_datastore
yaml-cpp/: local_datastore
boost/: tasklet front_door
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

  BEGIN {
    n = split(rooms, rows, "\n")
    for (i = 1; i <= n; i++) if (split(rows[i], row, ": *") >= 1 && row[1] != "") may[row[1]] = row[2]
    n = split(libraries, rows, "\n")
    for (i = 1; i <= n; i++) if (split(rows[i], row, ": *") == 2) owners[row[1]] = row[2]
  }

  FNR == 1 {
    split(FILENAME, path, "/")
    room = path[1] == "src" ? path[2] : ""
    if (room != "" && !(room in may)) {
      name = room
      complain("no row in the table of rooms in tests/lint/check_includes.sh")
      nextfile
    }
  }

  /^[ \t]*#[ \t]*include[ \t]*["<]/ {
    match($0, /["<][^">]*[">]/)
    name = substr($0, RSTART + 1, RLENGTH - 2)
    quoted = substr($0, RSTART, 1) == "\""
    first = name
    sub(/\/.*/, "", first)

    if (room == "") {
      if (quoted ? name !~ /^(ndb\/|absl\/status\/)/ || name ~ /^ndb\/wire\// : name !~ /^[a-z_0-9]+$/)
        complain("a public header includes only public headers, absl/status and the standard library")
      next
    }
    if (quoted && name !~ /\//) complain("name the room: \"" room "/" name "\"")
    if (quoted && first in may && first != room && !lists(may[room], first))
      complain(room " may not know " first "; it may include: " (may[room] == "" ? "no other room" : may[room]))
    for (prefix in owners)
      if (index(name, prefix) == 1 && !lists(owners[prefix], room))
        complain("only these rooms may include it: " owners[prefix])
  }

  END { exit bad }
' "${files[@]}"
