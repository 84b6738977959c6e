#include "base/file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/strings.h"

namespace ndb {

absl::StatusOr<std::string> read_file(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) {
    const std::string why = cat("cannot be read: ", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(why) : absl::InvalidArgumentError(why);
  }
  std::string text;
  for (char buffer[4096]; file.read(buffer, sizeof buffer).gcount() > 0;) {
    text.append(buffer, static_cast<std::size_t>(file.gcount()));
  }
  if (file.bad()) return absl::InvalidArgumentError(cat("cannot be read: ", std::strerror(errno)));
  return text;
}

}  // namespace ndb
