# The parts we take (docs/adr/0002-parts-we-take.md says why each), all from Debian 12.
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(simdjson REQUIRED)
find_package(CLI11 REQUIRED)
find_package(benchmark REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3)
# Its header alone: the library is loaded when a file names a PostgreSQL store.
pkg_check_modules(LIBPQ REQUIRED libpq>=14)
# The same, when it names a Redis.
pkg_check_modules(HIREDIS REQUIRED hiredis>=0.14)
# The same of Kafka's; its tests link it, for its mock cluster.
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka>=2.0)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
# re2.pc asks for -pthread, which the precompiled header was not built with; threads are part of glibc 2.34 and later.
set_target_properties(PkgConfig::RE2 PROPERTIES INTERFACE_COMPILE_OPTIONS "")
