# The compiler and the flags every target shares.
#
# g++ before 14 miscompiles coroutines (GCC bug 106188, and temporaries in awaited expressions are
# destroyed twice), so it is refused here rather than discovered at run time.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR "g++ ${CMAKE_CXX_COMPILER_VERSION} miscompiles coroutines; install clang 19 "
                      "(apt-get install clang-19) and configure with a preset: cmake --preset dev")
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR "clang ${CMAKE_CXX_COMPILER_VERSION} cannot read libstdc++'s std::expected; "
                      "install clang 19 (apt-get install clang-19)")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # ccache refuses a precompiled header unless told, by each call's environment, that its time stamp
  # may differ, and clang must then leave the time stamp out of it. The compiler's own list of what it
  # read (depend mode) is enough to know what to hash: preprocessing every miss apart costs a seventh of a clean build.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_DEPEND=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  endif()
endif()
# Across libraries the hot path is made of small functions: link-time optimisation takes a fifth of its
# instructions away. For release builds only, it costs link time. mold 1.10 cannot do it with clang 19.
option(FLOTILLA_LTO "Optimise across libraries when linking (ThinLTO, with lld 19)" OFF)
find_program(MOLD_PROGRAM mold)
if(FLOTILLA_LTO)
  find_program(LLVM_AR llvm-ar-19 REQUIRED)
  find_program(LLVM_RANLIB llvm-ranlib-19 REQUIRED)
  set(CMAKE_AR ${LLVM_AR})
  set(CMAKE_RANLIB ${LLVM_RANLIB})
  add_compile_options(-flto=thin)
  add_link_options(-flto=thin -fuse-ld=lld-19 -Wl,--thinlto-jobs=2)
elseif(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

option(FLOTILLA_WERROR "Treat warnings as errors" ON)
set(FLOTILLA_SANITIZE "" CACHE STRING "Sanitizers: empty, 'address,undefined' or 'thread'")
option(FLOTILLA_FUZZ "Build the libFuzzer entry points" OFF)

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast
                    -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
                    -Wno-missing-designated-field-initializers)
if(FLOTILLA_WERROR)
  add_compile_options(-Werror)
endif()
if(FLOTILLA_SANITIZE)
  add_compile_options(-fsanitize=${FLOTILLA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FLOTILLA_SANITIZE})
endif()
if(FLOTILLA_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()
include_directories(${CMAKE_SOURCE_DIR})
