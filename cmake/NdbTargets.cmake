# Settings that all our targets share, and the functions for the three kinds of targets: rooms, tests, programs.
add_library(ndb_settings INTERFACE)
target_compile_features(ndb_settings INTERFACE cxx_std_20)
target_compile_options(ndb_settings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                                              $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
                                              $<$<BOOL:${NDB_WERROR}>:-Werror>)
# g++ 12 at -O3 warns about overlapping copies in std::string that do not exist (its bug 105651).
target_compile_options(ndb_settings INTERFACE $<$<AND:$<CXX_COMPILER_ID:GNU>,$<CONFIG:Release>>:-Wno-restrict>)

# Everything built here is compiled with the sanitizers, including generated code, so that they see as much as possible.
if(NDB_SANITIZE)
  add_compile_options(-fsanitize=${NDB_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${NDB_SANITIZE})
endif()
if(NDB_SANITIZE MATCHES "address")
  target_sources(ndb_settings INTERFACE
    $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:${PROJECT_SOURCE_DIR}/tests/support/lsan_openssl.cc>)
endif()
if(NDB_SANITIZE STREQUAL "thread")
  target_sources(ndb_settings INTERFACE
    $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:${PROJECT_SOURCE_DIR}/tests/support/tsan_grpc.cc>)
  target_link_libraries(ndb_settings INTERFACE ${CMAKE_DL_LIBS})
endif()

# Uses ccache and mold if the machine has them, and only when this is the top-level project.
if(PROJECT_IS_TOP_LEVEL)
  find_program(NDB_CCACHE ccache)
  if(NDB_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${NDB_CCACHE})
  endif()
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=mold NDB_HAVE_MOLD)
  if(NDB_HAVE_MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
endif()

# ndb_room(NAME SRCS... DEPS...): one folder of src/ as a static library `ndb_NAME`, so that its tests link no more than
# necessary.
function(ndb_room name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_library(ndb_${name} STATIC ${ARG_SRCS})
  target_include_directories(ndb_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  target_link_libraries(ndb_${name} PUBLIC ${ARG_DEPS} PRIVATE $<BUILD_INTERFACE:ndb_settings>)
  target_compile_features(ndb_${name} PUBLIC cxx_std_20)
  set_target_properties(ndb_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
  set_property(GLOBAL APPEND PROPERTY NDB_ROOMS ndb_${name})
endfunction()

# ndb_test(NAME SRCS... DEPS... [TIMEOUT s]): a GoogleTest program, one CTest test.
function(ndb_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main ndb_settings)
  set_target_properties(${name} PROPERTIES CXX_STANDARD 20 CXX_EXTENSIONS OFF)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
endfunction()
