#include "tools/calls.h"

#include <iostream>
#include <string_view>

#include "ndb/log.h"

namespace ndb::tools {

Client client_of_datastore(ClientOptions options) {
  set_log_sink([](Severity severity, std::string_view message) {
    if (severity == Severity::kError) std::cerr << "ndb: " << message << '\n';
  });
  options.memcached_hosts.emplace();  // no memcached
  return Client(std::move(options));
}

}  // namespace ndb::tools
