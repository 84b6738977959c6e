// Array transforms: append missing elements, and remove elements everywhere.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "google/datastore/v1/datastore.pb.h"
#include "local_datastore/storage/storage_key.h"

namespace ndb::local {

// The transforms of one array, one after the other. It indexes the array once, so that all together take n log n of the
// array and the elements. Values are equal as transforms define it: 1 and 1.0, NaN and NaN, at every depth; meaning and
// indexing do not count. One thread; the value outlives it.
class ArrayEdit {
 public:
  // A value that is no array becomes an empty array.
  explicit ArrayEdit(v1::Value& value);

  void append_missing(const v1::ArrayValue& elements);
  void remove_all(const v1::ArrayValue& elements);
  // Takes out the removed elements, which stay in the value until then.
  void finish();

 private:
  void note(const v1::Value& element);

  v1::Value& value_;
  std::map<std::string, std::vector<int>> places_;  // the positions of each value in the array
  std::vector<bool> removed_;                       // per place
  std::size_t left_ = 0;
};

}  // namespace ndb::local
