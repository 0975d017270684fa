#include "flotilla/journal/core/record_fuzz.hpp"

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/core/record.hpp"

namespace flotilla::journal::fuzz {

void record(std::span<const std::byte> data) {
  const std::string_view bytes(reinterpret_cast<const char*>(data.data()), data.size());
  const auto decoded = decode(bytes);
  if (!decoded) {
    FLOTILLA_ASSERT(!decoded.error().message.empty());
    return;
  }
  std::string again;
  encode(again, *decoded);
  FLOTILLA_ASSERT(again == bytes);
}

}  // namespace flotilla::journal::fuzz
