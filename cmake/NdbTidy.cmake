# Runs clang-tidy with the compiler, for targets that are added after this is included. The hash makes a changed
# .clang-tidy rebuild everything.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/.clang-tidy)
file(SHA256 ${PROJECT_SOURCE_DIR}/.clang-tidy tidy_hash)
set(CMAKE_CXX_CLANG_TIDY ${NDB_TIDY} --quiet --extra-arg=-DNDB_TIDY_HASH=${tidy_hash})
