#pragma once

#include <string_view>

#include "ndb/log.h"

namespace ndb {

// Hands `message` to the process's log sink. Thread-safe.
void log(Severity severity, std::string_view message);

}  // namespace ndb
