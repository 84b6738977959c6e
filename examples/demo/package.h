// The kind that the demo fills with real input: Debian packages.
#pragma once

#include <ndb/ndb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace demo {

class Package : public ndb::Model<Package> {
 public:
  struct Properties {
    std::string name{};
    std::string version{};
    std::string architecture{};
    std::string section{};
    std::string priority{};
    std::string maintainer{};
    ndb::Text description{};
    std::optional<std::string> homepage{};
    std::vector<std::string> depends{};  // names, without the versions
    std::vector<std::string> tags{};
    std::int64_t size = 0;            // of the file, in bytes
    std::int64_t installed_size = 0;  // in KiB
    std::string filename{};
    ndb::Timestamp imported{};
  };
  NDB_MODEL(name, (version, .indexed = false), architecture, section, priority, (maintainer, .indexed = false),
            description, (homepage, .indexed = false), depends, tags, size, installed_size,
            (filename, .indexed = false), (imported, .indexed = false, .auto_now_add = true))
};

struct PackageIndex {
  std::string source;                         // for display
  std::vector<Package::Properties> packages;  // each name once: the last one of several
  std::size_t repeated = 0;                   // how many earlier ones were dropped
};

// The package index of this machine: that of apt's archives, or the list of installed packages if apt has none. At most
// `limit` packages. Throws std::runtime_error if there is neither.
PackageIndex read_package_index(std::size_t limit);

}  // namespace demo
