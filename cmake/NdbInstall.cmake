# What users link, here and through find_package(ndb CONFIG), and what `cmake --install` puts where.
#   ndb::ndb              the framework
#   ndb::local_datastore  the embedded Datastore, for those who want one in their process
# The rooms are installed because they are static; their names (ndb::detail_*) are no part of the interface.
get_property(rooms GLOBAL PROPERTY NDB_ROOMS)
list(REMOVE_ITEM rooms ndb_tools)

set(framework ${rooms})
list(REMOVE_ITEM framework ndb_local_datastore ndb_front_door)
add_library(ndb INTERFACE)
target_compile_features(ndb INTERFACE cxx_std_20)
target_link_libraries(ndb INTERFACE ${framework})
target_include_directories(ndb INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
add_library(ndb::ndb ALIAS ndb)

set(libraries ndb ndb_wire ndb_googleapis ${rooms})
foreach(library IN LISTS libraries)
  string(REGEX REPLACE "^ndb_" "detail_" name ${library})
  set_target_properties(${library} PROPERTIES EXPORT_NAME ${name})
endforeach()
if(TARGET ndb_front_door)
  set_target_properties(ndb_front_door PROPERTIES EXPORT_NAME local_datastore)
  target_include_directories(ndb_front_door PUBLIC $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  add_library(ndb::local_datastore ALIAS ndb_front_door)
endif()

include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ndb)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ndbConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/ndbConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/ndbConfigVersion.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS ${libraries} EXPORT ndbTargets)
install(EXPORT ndbTargets NAMESPACE ndb:: DESTINATION ${package_dir})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ndbConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ndbConfigVersion.cmake
        DESTINATION ${package_dir})
install(DIRECTORY include/ndb DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${CMAKE_CURRENT_LIST_DIR}/tsan.supp DESTINATION ${CMAKE_INSTALL_DATADIR}/ndb)
if(TARGET ndb_command)
  install(TARGETS ndb_command)
endif()
