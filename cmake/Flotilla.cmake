# flotilla_library(NAME SOURCES ... [SIMULATION ...] TESTS ... DEPENDS ... TEST_DEPENDS ... [TEST_FILTER gtest filter])
#
# One static library per folder of the house (target flotilla_NAME, alias flotilla::NAME) and one
# test program per folder (NAME_tests) made of the *_test.cpp files beside the sources.
# SIMULATION: the worlds that only tests run, a library of their own (flotilla_NAME_simulation), so that the program is
# built without them.
# Every .cpp must be listed: tools/lint.py fails on a file that nothing builds. With TEST_FILTER only those tests are
# registered here; the folder's CMakeLists.txt registers the rest.

find_package(Threads REQUIRED)
find_package(GTest REQUIRED)
include(GoogleTest)

# Two precompiled headers, each built once: standard headers and fmt for every target, and GoogleTest besides for tests.
add_library(flotilla_pch STATIC ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
target_precompile_headers(flotilla_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.hpp)
target_link_libraries(flotilla_pch PUBLIC Threads::Threads fmt::fmt)

add_library(flotilla_test_pch STATIC ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
target_precompile_headers(flotilla_test_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/test_pch.hpp)
target_link_libraries(flotilla_test_pch PUBLIC Threads::Threads fmt::fmt GTest::gtest GTest::gmock)

# flotilla_use_pch(TARGET [flotilla_test_pch])
function(flotilla_use_pch target)
  set(pch flotilla_pch)
  if(ARGC GREATER 1)
    set(pch ${ARGV1})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${pch})
  target_link_libraries(${target} PRIVATE Threads::Threads fmt::fmt)
endfunction()

function(flotilla_tests name)
  cmake_parse_arguments(ARG "" "FILTER" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  flotilla_use_pch(${name} flotilla_test_pch)
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} GTest::gtest GTest::gtest_main GTest::gmock)
  target_compile_definitions(${name} PRIVATE FLOTILLA_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  # PRE_TEST discovery runs at ctest time, so a build needs no test program to start.
  set(filter "")
  if(ARG_FILTER)
    set(filter TEST_FILTER ${ARG_FILTER})
  endif()
  gtest_discover_tests(${name} ${filter} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()

function(flotilla_library name)
  cmake_parse_arguments(ARG "" "TEST_FILTER" "SOURCES;SIMULATION;TESTS;DEPENDS;TEST_DEPENDS" ${ARGN})
  add_library(flotilla_${name} STATIC ${ARG_SOURCES})
  add_library(flotilla::${name} ALIAS flotilla_${name})
  flotilla_use_pch(flotilla_${name})
  target_link_libraries(flotilla_${name} PUBLIC ${ARG_DEPENDS})
  set(tested flotilla::${name})
  if(ARG_SIMULATION)
    add_library(flotilla_${name}_simulation STATIC ${ARG_SIMULATION})
    add_library(flotilla::${name}_simulation ALIAS flotilla_${name}_simulation)
    flotilla_use_pch(flotilla_${name}_simulation)
    target_link_libraries(flotilla_${name}_simulation PUBLIC flotilla::${name})
    list(PREPEND tested flotilla::${name}_simulation)
  endif()
  if(ARG_TESTS)
    flotilla_tests(${name}_tests SOURCES ${ARG_TESTS} DEPENDS ${tested} ${ARG_TEST_DEPENDS} FILTER ${ARG_TEST_FILTER})
  endif()
endfunction()
