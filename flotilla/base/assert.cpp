#include "flotilla/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace flotilla::detail {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "flotilla: assertion failed: %s at %s:%d; this is a bug, please report it\n",
               expression, file, line);
  std::abort();
}

}  // namespace flotilla::detail
