#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "package.h"
#include "process.h"

namespace demo {
namespace {

constexpr auto kAptLists = "/var/lib/apt/lists";
constexpr auto kAptHelper = "/usr/lib/apt/apt-helper";
constexpr auto kDpkgStatus = "/var/lib/dpkg/status";

std::vector<std::string> apt_files() {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(kAptLists, error)) {
    const std::string name = entry.path().filename();
    const std::size_t at = name.rfind("_Packages");
    if (at != std::string::npos && name.find('_', at + 1) == std::string::npos) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

template <class Take>
void for_each_part(std::string_view text, std::string_view separators, Take take) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    if (const std::string_view part = trimmed(text.substr(0, end)); !part.empty()) take(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void add_once(std::vector<std::string>& all, std::string_view one) {
  if (std::find(all.begin(), all.end(), one) == all.end()) all.emplace_back(one);
}

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// A line `Field: value` of a package's paragraph; a line that begins with a space continues the field before it.
class Paragraph {
 public:
  void take(std::string_view line) {
    if (line.starts_with(' ')) {
      if (!fields_.empty()) fields_.back().second += "\n" + std::string(line.substr(1));
      return;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    fields_.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  }
  bool is_empty() const { return fields_.empty(); }
  void clear() { fields_.clear(); }

  Package::Properties package() const {
    Package::Properties p;
    for (const auto& [field, value] : fields_) read(p, field, value);
    return p;
  }

 private:
  static void read(Package::Properties& p, std::string_view field, const std::string& value) {
    if (field == "Package") p.name = value;
    if (field == "Version") p.version = value;
    if (field == "Architecture") p.architecture = value;
    if (field == "Section") p.section = value;
    if (field == "Priority") p.priority = value;
    if (field == "Maintainer") p.maintainer = value;
    if (field == "Description") p.description = value;
    if (field == "Homepage") p.homepage = value;
    if (field == "Size") p.size = number(value);
    if (field == "Installed-Size") p.installed_size = number(value);
    if (field == "Filename") p.filename = value;
    if (field == "Tag") for_each_part(value, ",\n", [&](std::string_view tag) { add_once(p.tags, tag); });
    if (field == "Depends" || field == "Pre-Depends") {
      // "a (>= 1) | b:any, c" depends on a or b, and on c.
      for_each_part(value, ",|\n", [&](std::string_view one) {
        add_once(p.depends, one.substr(0, std::min(one.find_first_of(" (:"), one.size())));
      });
    }
  }

  std::vector<std::pair<std::string, std::string>> fields_;
};

void read_paragraphs(std::FILE* file, std::size_t limit, PackageIndex& index) {
  std::unordered_map<std::string, std::size_t> position;
  Paragraph paragraph;
  const auto end_paragraph = [&] {
    if (paragraph.is_empty()) return;
    Package::Properties package = paragraph.package();
    paragraph.clear();
    if (package.name.empty() || package.version.empty()) return;
    const auto [at, is_new] = position.try_emplace(package.name, index.packages.size());
    if (is_new) {
      index.packages.push_back(std::move(package));
    } else {
      index.packages[at->second] = std::move(package);
      ++index.repeated;
    }
  };
  while (index.packages.size() < limit) {
    const std::optional<std::string> line = read_line(file);
    if (!line || line->empty()) end_paragraph();
    if (!line) break;
    if (!line->empty()) paragraph.take(*line);
  }
}

}  // namespace

PackageIndex read_package_index(std::size_t limit) {
  PackageIndex index;
  if (std::vector<std::string> files = apt_files(); !files.empty() && std::filesystem::exists(kAptHelper)) {
    index.source = std::to_string(files.size()) + (files.size() == 1 ? " file" : " files") + " of " + kAptLists;
    files.insert(files.begin(), {kAptHelper, "cat-file"});
    const Process helper(std::move(files), {.pipes = true});
    read_paragraphs(helper.out(), limit, index);
  }
  if (index.packages.empty()) {
    index.source = kDpkgStatus;
    if (const File status{std::fopen(kDpkgStatus, "r")}) read_paragraphs(status.get(), limit, index);
  }
  if (index.packages.empty()) {
    throw std::runtime_error(std::string("there are no packages in ") + kAptLists + " nor in " + kDpkgStatus +
                             "; is this a Debian? `apt-get update` fetches the index");
  }
  return index;
}

}  // namespace demo
