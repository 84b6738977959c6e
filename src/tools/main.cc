// The `ndb` command. Exit codes: 0 for success, 1 for a failure, 2 for invalid arguments.
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/strings.h"
#include "ndb/error.h"
#include "tools/cache.h"
#include "tools/command.h"
#include "tools/export.h"
#include "tools/import.h"
#include "tools/serve.h"

namespace {

int refuse(std::string_view why) {
  std::cerr << "ndb: " << why << "\nndb: `ndb help` lists commands and options\n";
  return 2;
}

int run(const std::vector<std::string>& arguments) {
  const absl::StatusOr<ndb::tools::Command> command = ndb::tools::parse_command(arguments);
  if (!command.ok()) return refuse(ndb::from_absl(command.status().message()));
  if (const auto* options = std::get_if<ndb::LocalDatastore::Options>(&*command)) {
    ndb::tools::serve(*options);
  } else if (const auto* cache = std::get_if<ndb::tools::CacheCommand>(&*command)) {
    return ndb::tools::cache(*cache);
  } else if (const auto* transfer = std::get_if<ndb::tools::TransferCommand>(&*command)) {
    const bool out = transfer->verb == ndb::tools::TransferCommand::Verb::kExport;
    return out ? ndb::tools::export_entities(*transfer) : ndb::tools::import_entities(*transfer);
  } else if (std::holds_alternative<ndb::tools::Version>(*command)) {
    std::cout << "ndb " NDB_VERSION "\n";
  } else {
    std::cout << ndb::tools::kHelp;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const ndb::BadArgumentError& error) {
    return refuse(error.what());
  } catch (const std::exception& error) {
    std::cerr << "ndb: " << error.what() << '\n';
    return 1;
  }
}
