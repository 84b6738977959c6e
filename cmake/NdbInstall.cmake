# What users link, here and through find_package(ndb CONFIG), and what `cmake --install` puts where.
#   ndb::ndb              the framework
#   ndb::local_datastore  the embedded Datastore, for those who want one in their process
# Static: the rooms themselves; their names (ndb::detail_*) are no part of the interface. With BUILD_SHARED_LIBS: a shared
# library for each of the two, which are made of the same rooms.
get_property(rooms GLOBAL PROPERTY NDB_ROOMS)
list(REMOVE_ITEM rooms ndb_tools)
set(local_datastore_rooms ndb_local_datastore ndb_front_door)
set(framework_rooms ${rooms})
list(REMOVE_ITEM framework_rooms ${local_datastore_rooms})

add_library(ndb INTERFACE)
target_compile_features(ndb INTERFACE cxx_std_20)
target_link_libraries(ndb INTERFACE ${framework_rooms})
target_include_directories(ndb INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_include_directories(ndb_front_door PUBLIC $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
foreach(library IN ITEMS ndb ndb_wire ndb_googleapis LISTS rooms)
  string(REGEX REPLACE "^ndb_" "detail_" name ${library})
  set_target_properties(${library} PROPERTIES EXPORT_NAME ${name})
endforeach()
set_target_properties(ndb_front_door PROPERTIES EXPORT_NAME local_datastore)

# ndb_shared_library(NAME OUTPUT ROOMS... DEPS...): rooms, and the libraries that they need, as one shared library, which
# exports the names of namespace ndb and hides those of the libraries and generated code in it. The archives are named as
# files, so that no room of another shared library gets in. While the major version is 0, each minor one has an ABI of its own.
function(ndb_shared_library name)
  cmake_parse_arguments(ARG "" "OUTPUT" "ROOMS;DEPS" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc "")
  endif()
  add_library(${name} SHARED ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  target_compile_features(${name} INTERFACE cxx_std_20)
  target_include_directories(${name} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set(archives)
  set(needed)
  foreach(room IN LISTS ARG_ROOMS)
    list(APPEND archives $<TARGET_FILE:${room}>)
    get_target_property(libraries ${room} INTERFACE_LINK_LIBRARIES)
    list(FILTER libraries EXCLUDE REGEX "^ndb_|LINK_ONLY")
    list(APPEND needed ${libraries})
  endforeach()
  list(REMOVE_DUPLICATES needed)
  target_link_libraries(${name} PUBLIC ${ARG_DEPS}
                        PRIVATE -Wl,--whole-archive ${archives} -Wl,--no-whole-archive ${needed})
  set(script ${PROJECT_SOURCE_DIR}/cmake/exported.map)
  target_link_options(${name} PRIVATE -Wl,--version-script=${script} -Wl,-Bsymbolic-functions -Wl,--no-undefined)
  set_target_properties(${name} PROPERTIES
    OUTPUT_NAME ${ARG_OUTPUT} EXPORT_NAME ${ARG_OUTPUT} LINK_DEPENDS "${script};${archives}"
    INSTALL_RPATH "$ORIGIN"  # where the other one is
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
endfunction()

# Beside static ones only to be tested; what a sanitizer needs is not in a library.
if(BUILD_SHARED_LIBS OR (NDB_BUILD_TESTS AND NOT NDB_SANITIZE))
  ndb_shared_library(ndb_shared OUTPUT ndb ROOMS ${framework_rooms} ndb_wire DEPS absl::status absl::statusor Threads::Threads)
  ndb_shared_library(ndb_local_datastore_shared OUTPUT ndb_local_datastore ROOMS ${local_datastore_rooms} ndb_googleapis
                     DEPS ndb_shared)
  set_target_properties(ndb_local_datastore_shared PROPERTIES EXPORT_NAME local_datastore)
endif()

if(BUILD_SHARED_LIBS)
  add_library(ndb::ndb ALIAS ndb_shared)
  add_library(ndb::local_datastore ALIAS ndb_local_datastore_shared)
else()
  add_library(ndb::ndb ALIAS ndb)
  add_library(ndb::local_datastore ALIAS ndb_front_door)
endif()

include(CMakePackageConfigHelpers)

# ndb_install(COMPONENT SHARED [EXCLUDE_FROM_ALL]): libraries of one kind, headers, the CMake package and pkg-config's files.
function(ndb_install component NDB_SHARED)
  set(options COMPONENT ${component} ${ARGN})
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ndb)
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/${component})
  if(NDB_SHARED)
    set(framework ndb_shared)
    set(local_datastore ndb_local_datastore_shared)
  else()
    set(framework ndb ndb_wire ${framework_rooms})
    set(local_datastore ndb_googleapis ${local_datastore_rooms})
  endif()
  foreach(part IN ITEMS framework local_datastore)
    install(TARGETS ${${part}} EXPORT ndb_${component}_${part}
            LIBRARY ${options} NAMELINK_COMPONENT ${component} ARCHIVE ${options} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(EXPORT ndb_${component}_${part} FILE ${component}_${part}.cmake NAMESPACE ndb:: DESTINATION ${package_dir} ${options})
  endforeach()
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/ndbConfig.cmake.in ${generated}/ndbConfig.cmake
                                INSTALL_DESTINATION ${package_dir})
  write_basic_package_version_file(${generated}/ndbConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${generated}/ndbConfig.cmake ${generated}/ndbConfigVersion.cmake DESTINATION ${package_dir} ${options})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ndb DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} ${options}
          FILES_MATCHING PATTERN "*.h")
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/tsan.supp ${PROJECT_SOURCE_DIR}/cmake/lsan.supp
          DESTINATION ${CMAKE_INSTALL_DATADIR}/ndb ${options})

  # A static library comes before those that it needs.
  set(NDB_LIBS -lndb)
  set(NDB_LOCAL_DATASTORE_LIBS -lndb_local_datastore)
  if(NOT NDB_SHARED)
    list(REVERSE framework_rooms)
    list(TRANSFORM framework_rooms PREPEND -l OUTPUT_VARIABLE NDB_LIBS)
    list(APPEND NDB_LIBS -lndb_wire -lhashkit -lboost_context)
    set(NDB_LOCAL_DATASTORE_LIBS -lndb_front_door -lndb_local_datastore -lndb_googleapis)
    set(NDB_REQUIRES "grpc++ protobuf absl_statusor absl_raw_hash_set absl_hash absl_synchronization absl_time libcrypto libxxhash libzstd zlib")
    set(NDB_LOCAL_DATASTORE_REQUIRES "rocksdb yaml-cpp libssl")
  else()
    set(NDB_REQUIRES "absl_statusor")
    set(NDB_LOCAL_DATASTORE_REQUIRES "")
  endif()
  list(JOIN NDB_LIBS " " NDB_LIBS)
  list(JOIN NDB_LOCAL_DATASTORE_LIBS " " NDB_LOCAL_DATASTORE_LIBS)
  file(RELATIVE_PATH NDB_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
  foreach(module IN ITEMS ndb ndb-local-datastore)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/${module}.pc.in ${generated}/${module}.pc @ONLY)
    install(FILES ${generated}/${module}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig ${options})
  endforeach()
endfunction()

if(BUILD_SHARED_LIBS)
  ndb_install(ndb ON)
else()
  ndb_install(ndb OFF)
  if(TARGET ndb_shared)
    ndb_install(ndb_shared ON EXCLUDE_FROM_ALL)
  endif()
endif()
if(TARGET ndb_command)
  install(TARGETS ndb_command)
endif()
