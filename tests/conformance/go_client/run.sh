#!/usr/bin/env bash
# The integration tests of Google's Go client, from Debian's packages golang-go and golang-google-cloud-dev. They write
# behind an open transaction's back and expect its commit to be refused, which is optimistic concurrency.
set -euo pipefail
# shellcheck source=../support.sh
source "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

installed=/usr/share/gocode/src/cloud.google.com/go
program=$work/datastore.test
if [[ ! -x $program || $installed/datastore -nt $program ]]; then
  # A copy, with the packages that its folder gives it access to. The tests ask for credentials, which an emulator's
  # client has not; they are left out.
  copy=$work/gopath/src/cloud.google.com/go
  rm -rf "$work/gopath"
  mkdir -p "$copy"
  cp -r "$installed/datastore" "$installed/internal" "$installed/rpcreplay" "$copy/"
  sed -i -e '/ts := testutil.TokenSource/,/^\t}/d' \
    -e 's/append(grpcHeadersEnforcer.CallOptions(), option.WithTokenSource(ts))/grpcHeadersEnforcer.CallOptions()/' \
    "$copy/datastore/integration_test.go"
  (cd "$copy/datastore" && GO111MODULE=off GOPATH=$work/gopath:/usr/share/gocode go test -c -o "$program")
fi

# as_tap: the verdict on each test, without its sub-tests, and what go says of those that fail.
as_tap() {
  sed -E -e 's/^--- PASS: (.*) \(.*\)$/ok 1 - \1/' -e 's/^--- FAIL: (.*) \(.*\)$/not ok 1 - \1/' \
    -e 's/^--- SKIP: (.*) \(.*\)$/ok 1 - \1 # SKIP/'
}

start_datastore --concurrency=optimistic
export GCLOUD_TESTS_GOLANG_PROJECT_ID=conformance
cd "$work/gopath/src/cloud.google.com/go/datastore"
integration() { "$program" -test.v -test.run '^TestIntegration' 2>&1 | as_tap; }
run_suite integration
