// Where the framework's few warnings go: by default to stderr, one line each.
#pragma once

#include <functional>
#include <string_view>

namespace ndb {

// How much a line of the log matters.
enum class Severity { kInfo, kWarning, kError };

// Replaces the sink for the whole process; an empty function restores the default. The sink is called from any thread,
// one call at a time, and must not call back into the framework. Thread-safe.
void set_log_sink(std::function<void(Severity, std::string_view message)> sink);

}  // namespace ndb
