// The time of a commit, which is the version of what it wrote.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

#include "base/clock.h"
#include "google/protobuf/timestamp.pb.h"

namespace ndb::local {

// A commit's place in the order of all commits, in microseconds since 1970; also a read time, which sees everything up
// to that version. A type of its own, so that it cannot be confused with other numbers. The default is zero: before
// every commit, and the version of an entity that does not exist.
class Version {
 public:
  constexpr Version() = default;
  constexpr explicit Version(std::int64_t micros) : micros_(micros) {}
  explicit Version(WallTime time) : micros_(time.time_since_epoch().count()) {}

  constexpr std::int64_t micros() const { return micros_; }
  constexpr bool is_zero() const { return micros_ == 0; }

  constexpr Version next() const { return Version(micros_ + 1); }
  constexpr Version previous() const { return Version(micros_ - 1); }
  constexpr Version operator-(std::chrono::microseconds age) const { return Version(micros_ - age.count()); }

  friend constexpr auto operator<=>(const Version&, const Version&) = default;

 private:
  std::int64_t micros_ = 0;
};

// Microseconds since 1970, rounded down; times out of range saturate. And the inverse.
std::int64_t to_micros(const google::protobuf::Timestamp& timestamp);
void set_micros(google::protobuf::Timestamp& out, std::int64_t micros);

inline Version to_version(const google::protobuf::Timestamp& timestamp) { return Version(to_micros(timestamp)); }
inline void set_timestamp(google::protobuf::Timestamp& out, Version version) { set_micros(out, version.micros()); }

}  // namespace ndb::local
