# cmake -D BUILD=... -D SCRATCH=... -D COMPILER=... -D FLAGS=... -P run.cmake: installs BUILD below SCRATCH, with static
# libraries and with shared ones, moves each installation, so that a path of the build left in it shows, and builds and runs
# consumer/ against it: by CMake and by pkg-config.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY COMMAND_ECHO STDOUT)
endfunction()

# What a command says, in words.
function(words_of variable)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY OUTPUT_VARIABLE out OUTPUT_STRIP_TRAILING_WHITESPACE)
  separate_arguments(out UNIX_COMMAND "${out}")
  set(${variable} ${out} PARENT_SCOPE)
endfunction()

# Fails if a library has a symbol that is not ndb's.
function(check_exports)
  foreach(library IN LISTS ARGN)
    execute_process(COMMAND nm --dynamic --defined-only --demangle --format=just-symbols ${library}
                    COMMAND_ERROR_IS_FATAL ANY OUTPUT_VARIABLE symbols)
    if(NOT symbols MATCHES "ndb::")
      message(FATAL_ERROR "${library} exports nothing")
    endif()
    if(symbols MATCHES "(^|\n)((absl|boost|google|grpc|rocksdb|std|YAML)::[^\n]*)")
      message(FATAL_ERROR "${library} exports ${CMAKE_MATCH_2}")
    endif()
  endforeach()
endfunction()

function(use kind)
  set(where ${SCRATCH}/${kind}-moved)
  run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/${kind} ${ARGN})
  file(RENAME ${SCRATCH}/${kind} ${where})
  run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${SCRATCH}/${kind}-build -G Ninja
      -D CMAKE_PREFIX_PATH=${where} -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_CXX_FLAGS=${FLAGS})
  run(${CMAKE_COMMAND} --build ${SCRATCH}/${kind}-build)
  run(${SCRATCH}/${kind}-build/framework)
  run(${SCRATCH}/${kind}-build/embedded)

  # A program that has no use for the local Datastore does not ask for what that needs.
  run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${SCRATCH}/${kind}-alone -G Ninja -D EMBEDDED=OFF
      -D CMAKE_PREFIX_PATH=${where} -D CMAKE_CXX_COMPILER=${COMPILER}
      -D CMAKE_DISABLE_FIND_PACKAGE_RocksDB=ON -D CMAKE_DISABLE_FIND_PACKAGE_yaml-cpp=ON)

  file(GLOB module ${where}/lib*/pkgconfig/ndb.pc ${where}/lib*/*/pkgconfig/ndb.pc)
  get_filename_component(modules ${module} DIRECTORY)
  set(pkg_config ${CMAKE_COMMAND} -E env PKG_CONFIG_PATH=${modules} pkg-config)
  foreach(program framework embedded)
    set(wanted ndb)
    if(program STREQUAL "embedded")
      set(wanted ndb-local-datastore)
    endif()
    words_of(compile ${pkg_config} --cflags ${wanted})
    words_of(link ${pkg_config} --libs ${wanted})
    get_filename_component(libraries ${modules} DIRECTORY)
    run(${COMPILER} -std=c++20 ${compile} ${CMAKE_CURRENT_LIST_DIR}/consumer/${program}.cc
        -o ${SCRATCH}/${kind}-${program} ${link} -Wl,-rpath,${libraries})
    run(${SCRATCH}/${kind}-${program})
  endforeach()
endfunction()

file(REMOVE_RECURSE ${SCRATCH})
use(static)
run(${SCRATCH}/static-moved/bin/ndb --help)
use(shared --component ndb_shared)
file(GLOB_RECURSE shared ${SCRATCH}/shared-moved/*.so)
check_exports(${shared})
