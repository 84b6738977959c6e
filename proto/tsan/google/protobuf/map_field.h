// Found before protobuf's own header in ThreadSanitizer builds. There protobuf gives map fields two more members, but
// the library that everything is linked with was built without them, and would read the others at the wrong places.
#pragma GCC system_header
#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include_next <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
