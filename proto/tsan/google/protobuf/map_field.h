// In ThreadSanitizer builds this header precedes protobuf's own. There protobuf gives map fields two more members, but
// the installed library was built without them and would read the other members at the wrong offsets.
#pragma GCC system_header
#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include_next <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
