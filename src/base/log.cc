#include "base/log.h"

#include <cstdio>
#include <memory>
#include <utility>

#include "base/mutex.h"

namespace ndb {
namespace {

using Sink = std::function<void(Severity, std::string_view)>;

struct Log {
  Mutex mutex;
  Sink sink NDB_GUARDED_BY(mutex);
};

// Never destroyed: destructors of statics elsewhere may still log.
Log& the_log() {
  static Log& log = *std::make_unique<Log>().release();
  return log;
}

void to_stderr(Severity severity, std::string_view message) {
  const char* name = severity == Severity::kError ? "error" : severity == Severity::kWarning ? "warning" : "info";
  std::fprintf(stderr, "ndb %s: %.*s\n", name, static_cast<int>(message.size()), message.data());
}

}  // namespace

void set_log_sink(Sink sink) {
  Log& log = the_log();
  MutexLock lock(log.mutex);
  log.sink = std::move(sink);
}

void log(Severity severity, std::string_view message) {
  Log& log = the_log();
  MutexLock lock(log.mutex);
  if (log.sink) {
    log.sink(severity, message);
  } else {
    to_stderr(severity, message);
  }
}

}  // namespace ndb
