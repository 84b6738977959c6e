// Array transforms: elements appended unless they are there, and elements removed wherever they are.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "google/datastore/v1/datastore.pb.h"
#include "local_datastore/storage/storage_key.h"

namespace ndb::local {

// The transforms of one array, one after the other. It looks at the array once, so that all together take n log n of
// the array and the elements. What transforms regard as one value: 1 and 1.0, NaN and NaN, at every depth; neither
// meaning nor indexing counts. One thread; the value outlives it.
class ArrayEdit {
 public:
  // What is no array becomes an empty one.
  explicit ArrayEdit(v1::Value& value);

  void append_missing(const v1::ArrayValue& elements);
  void remove_all(const v1::ArrayValue& elements);
  // Until then removed elements may still be in the value.
  void finish();

 private:
  void note(const v1::Value& element);

  v1::Value& value_;
  std::map<std::string, std::vector<int>> places_;  // of each value in the array
  std::vector<bool> removed_;                       // per place
  std::size_t left_ = 0;
};

}  // namespace ndb::local
