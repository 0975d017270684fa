# What other CMake projects find: find_package(flotilla), target flotilla::flotilla.
#
# The promise is the headers that docs/library.md names. Those include others of their folders, so all
# headers of the folders are installed, and each folder's library is a target of its own (flotilla::resilience needs
# only flotilla::base). tests/package builds a project against an installed tree.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(FLOTILLA_PACKAGE_FOLDERS base json expr config net resilience http telemetry journal discovery call saga cqrs)

add_library(flotilla_cpp INTERFACE)
add_library(flotilla::flotilla ALIAS flotilla_cpp)
target_link_libraries(flotilla_cpp INTERFACE flotilla::resilience flotilla::saga flotilla::cqrs)
set_target_properties(flotilla_cpp PROPERTIES EXPORT_NAME flotilla)

set(flotilla_package_targets flotilla_cpp)
foreach(folder IN LISTS FLOTILLA_PACKAGE_FOLDERS)
  set_target_properties(flotilla_${folder} PROPERTIES EXPORT_NAME ${folder})
  target_compile_features(flotilla_${folder} INTERFACE cxx_std_23)
  target_include_directories(flotilla_${folder} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  list(APPEND flotilla_package_targets flotilla_${folder})
  install(DIRECTORY flotilla/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/flotilla COMPONENT development
    FILES_MATCHING PATTERN "*.hpp"
    PATTERN "testdata" EXCLUDE PATTERN "simulation" EXCLUDE PATTERN "*test*.hpp" EXCLUDE PATTERN "*_rig.hpp" EXCLUDE
    PATTERN "*_fuzz.hpp" EXCLUDE PATTERN "fake_*.hpp" EXCLUDE)
endforeach()

add_custom_target(library)  # what an installation needs built
add_dependencies(library ${flotilla_package_targets})

set(flotilla_package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/flotilla)
install(TARGETS ${flotilla_package_targets} EXPORT flotilla ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(EXPORT flotilla NAMESPACE flotilla:: FILE flotillaTargets.cmake DESTINATION ${flotilla_package_directory}
  COMPONENT development)
configure_package_config_file(cmake/flotillaConfig.cmake.in ${CMAKE_BINARY_DIR}/package/flotillaConfig.cmake
  INSTALL_DESTINATION ${flotilla_package_directory})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/flotillaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/flotillaConfig.cmake ${CMAKE_BINARY_DIR}/package/flotillaConfigVersion.cmake
  DESTINATION ${flotilla_package_directory} COMPONENT development)
