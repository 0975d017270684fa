#include "flotilla/json/json_fuzz.hpp"

#include "flotilla/base/assert.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::json::fuzz {

void text(std::span<const std::byte> input) {
  const std::string_view source(reinterpret_cast<const char*>(input.data()), input.size());
  const auto value = parse(source);
  const auto fault = find_fault(source);
  FLOTILLA_ASSERT(value.has_value() == !fault.has_value());
  if (!value) {
    FLOTILLA_ASSERT(fault->offset <= source.size());
    return;
  }
  const std::string compact = write(*value);
  const auto back = parse(compact);
  FLOTILLA_ASSERT(back && *back == *value && write(*back) == compact);
  FLOTILLA_ASSERT(compare(*back, *value) == 0 && back->text_size() == value->text_size());
  const auto pretty = parse(write(*value, Style::pretty));
  FLOTILLA_ASSERT(pretty && *pretty == *value);
}

}  // namespace flotilla::json::fuzz
