#include "flotilla/journal/core/record_fuzz.hpp"

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/core/record.hpp"

namespace flotilla::journal {

void fuzz_record(std::span<const std::byte> data) {
  const std::string_view bytes(reinterpret_cast<const char*>(data.data()), data.size());
  const auto record = decode(bytes);
  if (!record) {
    FLOTILLA_ASSERT(!record.error().message.empty());
    return;
  }
  std::string again;
  encode(again, *record);
  FLOTILLA_ASSERT(again == bytes);
}

}  // namespace flotilla::journal
