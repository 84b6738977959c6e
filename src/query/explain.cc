#include "query/explain.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <ostream>
#include <string_view>
#include <system_error>

#include "base/strings.h"
#include "ndb/wire/explain.pb.h"

namespace ndb {
namespace {

// Names and values as text; those of nested structs get the path to them as their name. Protobuf bounds the nesting.
void flatten(const wire::Struct& fields, const std::string& path, std::map<std::string, std::string>& out);

void flatten(const wire::Value& value, const std::string& name, std::map<std::string, std::string>& out) {
  switch (value.kind_case()) {
    case wire::Value::kStructValue:
      return flatten(value.struct_value(), name + '.', out);
    case wire::Value::kListValue:
      for (int i = 0; i < value.list_value().values_size(); ++i) {
        flatten(value.list_value().values(i), cat(name, '.', i), out);
      }
      return;
    case wire::Value::kStringValue:
      out[name] = value.string_value();
      return;
    case wire::Value::kNumberValue: {
      char text[32];
      const auto end = std::to_chars(std::begin(text), std::end(text), value.number_value()).ptr;
      out[name] = std::string(std::begin(text), end);
      return;
    }
    case wire::Value::kBoolValue:
      out[name] = value.bool_value() ? "true" : "false";
      return;
    case wire::Value::kNullValue:
    case wire::Value::KIND_NOT_SET:
      out[name] = "null";
  }
}

void flatten(const wire::Struct& fields, const std::string& path, std::map<std::string, std::string>& out) {
  for (const auto& [name, value] : fields.fields()) flatten(value, path + name, out);
}

std::optional<std::int64_t> as_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A sum that stays at the largest or smallest number instead of overflowing: the numbers come from outside.
std::int64_t sum(std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  if (!__builtin_add_overflow(a, b, &out)) return out;
  return b > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
}

std::chrono::nanoseconds to_nanoseconds(const wire::Duration& duration) {
  constexpr std::int64_t kMost = 1'000'000'000;  // seconds: 30 years, which a count of nanoseconds can hold
  return std::chrono::seconds(std::clamp(duration.seconds(), -kMost, kMost)) +
         std::chrono::nanoseconds(duration.nanos());
}

void add_stats(const wire::ExecutionStats& stats, ExecutionStats& out) {
  out.results_returned = sum(out.results_returned, stats.results_returned());
  out.read_operations = sum(out.read_operations, stats.read_operations());
  out.execution_duration =
      std::chrono::nanoseconds(sum(out.execution_duration.count(), to_nanoseconds(stats.execution_duration()).count()));
  std::map<std::string, std::string> debug;
  flatten(stats.debug_stats(), "", debug);
  for (auto& [name, text] : debug) {
    std::string& total = out.debug_stats[name];
    const auto before = as_number(total);
    const auto more = as_number(text);
    total = before && more ? std::to_string(sum(*before, *more)) : std::move(text);
  }
}

std::string listed(const std::map<std::string, std::string>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out += cat(out.empty() ? "" : ", ", name, ' ', value);
  return out;
}

}  // namespace

absl::Status add_metrics(const std::string& bytes, ExplainMetrics& out) {
  if (bytes.empty()) {
    return absl::UnimplementedError("this Datastore does not explain queries: its answer has no explain_metrics");
  }
  wire::ExplainMetrics metrics;
  if (!metrics.ParseFromString(bytes)) return absl::DataLossError("the explain_metrics of the answer are damaged");
  if (out.indexes_used.empty()) {  // all batches of a query use the same
    for (const wire::Struct& index : metrics.plan_summary().indexes_used()) {
      flatten(index, "", out.indexes_used.emplace_back());
    }
  }
  if (!metrics.has_execution_stats()) return absl::OkStatus();
  if (!out.execution_stats) out.execution_stats.emplace();
  add_stats(metrics.execution_stats(), *out.execution_stats);
  return absl::OkStatus();
}

std::string ExplainMetrics::to_string() const {
  std::string out = indexes_used.empty() ? "no index used" : "";
  for (const auto& index : indexes_used) out += cat(out.empty() ? "" : "\n", "index used: ", listed(index));
  if (!execution_stats) return out;
  const ExecutionStats& stats = *execution_stats;
  out += cat("\nresults returned: ", stats.results_returned, "\nread operations: ", stats.read_operations,
             "\nexecution duration: ",
             std::chrono::duration_cast<std::chrono::microseconds>(stats.execution_duration).count(), " us");
  if (!stats.debug_stats.empty()) out += cat("\ndebug stats: ", listed(stats.debug_stats));
  return out;
}

std::ostream& operator<<(std::ostream& out, const ExplainMetrics& metrics) { return out << metrics.to_string(); }

}  // namespace ndb
