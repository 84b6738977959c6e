#include "local_datastore/composite/index_yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace ndb::local {
namespace {

constexpr std::string_view kExplanation =
    "# The local Datastore writes here: an index for each query that has run and would need it in the cloud.\n"
    "# What is above the marker line is yours. Move an entry there to keep it as you write it, or remove the line\n"
    "# to have the whole file to yourself.\n";

absl::Status wrong(const YAML::Mark& mark, std::string_view what) {
  if (mark.is_null()) return absl::InvalidArgumentError(to_absl(what));
  return absl::InvalidArgumentError(cat("line ", mark.line + 1, ": ", what));
}

// ---- Reading

absl::StatusOr<std::string> read_name(const YAML::Node& node, const std::string& field) {
  if (!node.IsScalar() || node.Scalar().empty()) return wrong(node.Mark(), cat(field, " must be a name"));
  return node.Scalar();
}

absl::StatusOr<bool> read_ancestor(const YAML::Node& node, const std::string& field) {
  bool ancestor = false;
  if (!node.IsScalar() || !YAML::convert<bool>::decode(node, ancestor)) {
    return wrong(node.Mark(), cat(field, " must be yes or no"));
  }
  return ancestor;
}

absl::StatusOr<bool> read_direction(const YAML::Node& node, const std::string& field) {
  const std::string direction = node.IsScalar() ? node.Scalar() : "";
  if (direction == "asc" || direction == "ascending") return false;
  if (direction == "desc" || direction == "descending") return true;
  return wrong(node.Mark(), cat(field, " must be asc or desc"));
}

// Calls `read(name, node)` for each field; it returns whether the field exists. A field may occur only once.
template <class Read>
absl::Status for_each_field(const YAML::Node& map, const std::string& what, const Read& read) {
  if (!map.IsMap()) return wrong(map.Mark(), cat(what, " must have fields, as in `name: value`"));
  std::set<std::string> seen;
  for (const auto& field : map) {
    const std::string name = field.first.IsScalar() ? field.first.Scalar() : "";
    if (!seen.insert(name).second)
      return wrong(field.first.Mark(), cat(what, " has the field ", quoted(name), " twice"));
    NDB_ASSIGN_OR_RETURN(const bool known, read(name, field.second));
    if (!known) return wrong(field.first.Mark(), cat(what, " has no field ", quoted(name)));
  }
  return absl::OkStatus();
}

absl::StatusOr<IndexedProperty> read_property(const YAML::Node& node, const std::string& what) {
  IndexedProperty property;
  const auto read = [&](const std::string& field, const YAML::Node& value) -> absl::StatusOr<bool> {
    if (field == "name") {
      NDB_ASSIGN_OR_RETURN(property.name, read_name(value, cat(what, ".name")));
    } else if (field == "direction") {
      NDB_ASSIGN_OR_RETURN(property.descending, read_direction(value, cat(what, ".direction")));
    } else {
      return false;
    }
    return true;
  };
  NDB_RETURN_IF_ERROR(for_each_field(node, what, read));
  if (property.name.empty()) return wrong(node.Mark(), cat(what, " has no name"));
  return property;
}

absl::StatusOr<std::vector<IndexedProperty>> read_properties(const YAML::Node& node, const std::string& what) {
  std::vector<IndexedProperty> properties;
  if (node.IsNull()) return properties;
  if (!node.IsSequence()) return wrong(node.Mark(), cat(what, " must be a list of properties"));
  std::set<std::string> seen;
  for (std::size_t i = 0; i < node.size(); ++i) {
    NDB_ASSIGN_OR_RETURN(IndexedProperty property, read_property(node[i], cat(what, '[', i, ']')));
    if (!seen.insert(property.name).second) {
      return wrong(node[i].Mark(), cat(what, '[', i, "].name: ", quoted(property.name), " is in the index already"));
    }
    properties.push_back(std::move(property));
  }
  return properties;
}

absl::StatusOr<CompositeIndex> read_index(const YAML::Node& node, const std::string& what) {
  CompositeIndex index;
  const auto read = [&](const std::string& field, const YAML::Node& value) -> absl::StatusOr<bool> {
    if (field == "kind") {
      NDB_ASSIGN_OR_RETURN(index.kind, read_name(value, cat(what, ".kind")));
    } else if (field == "ancestor") {
      NDB_ASSIGN_OR_RETURN(index.ancestor, read_ancestor(value, cat(what, ".ancestor")));
    } else if (field == "properties") {
      NDB_ASSIGN_OR_RETURN(index.properties, read_properties(value, cat(what, ".properties")));
    } else {
      return false;
    }
    return true;
  };
  NDB_RETURN_IF_ERROR(for_each_field(node, what, read));
  if (index.kind.empty()) return wrong(node.Mark(), cat(what, " has no kind"));
  return index;
}

struct Entry {
  CompositeIndex index;
  int line;
};
struct List {
  std::vector<Entry> entries{};
  int column = 0;  // the column of its dashes
  bool is_there = false;
};

absl::StatusOr<List> read_list(const YAML::Node& root) {
  List out;
  if (root.IsNull()) return out;
  const auto read = [&](const std::string& field, const YAML::Node& list) -> absl::StatusOr<bool> {
    if (field != "indexes") return false;
    out.is_there = true;
    if (list.IsNull()) return true;
    if (!list.IsSequence()) return wrong(list.Mark(), "indexes must be a list");
    for (std::size_t i = 0; i < list.size(); ++i) {
      NDB_ASSIGN_OR_RETURN(CompositeIndex index, read_index(list[i], cat("indexes[", i, ']')));
      out.entries.push_back({std::move(index), list[i].Mark().line});
    }
    out.column = list.Mark().column;
    return true;
  };
  NDB_RETURN_IF_ERROR(for_each_field(root, "the file", read));
  return out;
}

absl::StatusOr<List> parse(std::string_view text) {
  try {
    return read_list(YAML::Load(std::string(text)));
  } catch (const YAML::Exception& error) {
    return wrong(error.mark, error.msg);
  }
}

// ---- Writing

// Quotes names that YAML could read as something else.
std::string scalar(const std::string& text) {
  static const std::set<std::string> kWords = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
  const bool plain =
      (absl::ascii_isalpha(static_cast<unsigned char>(text[0])) || text[0] == '_') &&
      std::all_of(text.begin(), text.end(),
                  [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; }) &&
      !kWords.contains(absl::AsciiStrToLower(text));
  if (plain) return text;
  YAML::Emitter out;
  out << YAML::DoubleQuoted << text;
  return out.c_str();
}

// The position of the marker line.
std::optional<std::size_t> find_marker(std::string_view text) {
  for (std::size_t at = text.find(kAutogenerated); at != text.npos; at = text.find(kAutogenerated, at + 1)) {
    const std::string_view behind = text.substr(at + kAutogenerated.size());
    const bool whole = behind.substr(0, behind.find('\n')).find_first_not_of(" \t\r") == behind.npos;
    if (whole && (at == 0 || text[at - 1] == '\n')) return at;
  }
  return std::nullopt;
}

std::string indented(const std::string& lines, int columns) {
  std::string out;
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = lines.find('\n', begin) + 1;
    out.append(static_cast<std::size_t>(columns), ' ').append(lines, begin, end - begin);
    begin = end;
  }
  return out;
}

}  // namespace

std::string in_yaml(const CompositeIndex& index) {
  std::string out = cat("- kind: ", scalar(index.kind), '\n');
  if (index.ancestor) out += "  ancestor: yes\n";
  if (!index.properties.empty()) out += "  properties:\n";
  for (const IndexedProperty& property : index.properties) {
    out += cat("  - name: ", scalar(property.name), '\n');
    if (property.descending) out += "    direction: desc\n";
  }
  return out;
}

absl::StatusOr<std::vector<CompositeIndex>> parse_index_yaml(std::string_view text) {
  NDB_ASSIGN_OR_RETURN(List list, parse(text));
  std::vector<CompositeIndex> indexes;
  indexes.reserve(list.entries.size());
  for (Entry& entry : list.entries) indexes.push_back(std::move(entry.index));
  return indexes;
}

absl::StatusOr<std::string> with_suggestions(const std::string& text, std::span<const CompositeIndex> suggestions) {
  NDB_ASSIGN_OR_RETURN(const List list, parse(text));
  const bool blank = text.find_first_not_of(" \t\r\n") == std::string::npos;
  const std::optional<std::size_t> marker = blank ? 0 : find_marker(text);
  if (!marker) {
    return absl::FailedPreconditionError(cat("it has no line \"", kAutogenerated, "\" below which to write"));
  }
  std::string out = text.substr(0, *marker);
  const auto lines_by_hand = std::count(out.begin(), out.end(), '\n');
  std::set<CompositeIndex> by_hand, generated(suggestions.begin(), suggestions.end());
  for (const auto& [index, line] : list.entries) (line < lines_by_hand ? by_hand : generated).insert(index);

  const absl::StatusOr<List> above = parse(out);
  if (!above.ok() || !above->is_there) out += "indexes:\n\n";
  out += cat(kAutogenerated, "\n\n", kExplanation);
  for (const CompositeIndex& index : generated) {
    if (!by_hand.contains(index)) out += cat('\n', indented(in_yaml(index), by_hand.empty() ? 0 : list.column));
  }
  // A list in flow style, for example, cannot be extended.
  const absl::StatusOr<std::vector<CompositeIndex>> written = parse_index_yaml(out);
  by_hand.merge(generated);
  if (!written.ok() || std::set<CompositeIndex>(written->begin(), written->end()) != by_hand) {
    return absl::FailedPreconditionError("its list cannot be continued; write each entry on lines of its own");
  }
  return out;
}

}  // namespace ndb::local
