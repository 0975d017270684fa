#include "flotilla/journal/core/event.hpp"

#include <fmt/format.h>

#include "flotilla/journal/core/body.hpp"

namespace flotilla::journal {
namespace {

constexpr std::uint32_t kAttribute = 1;  // a list: name, NUL, value
constexpr std::uint32_t kData = 2;

}  // namespace

std::string_view Event::attribute(std::string_view name) const noexcept {
  for (const auto& [key, value] : attributes) {
    if (key == name) {
      return value;
    }
  }
  return {};
}

std::string encode(const Event& event) {
  std::size_t size = event.data.size() + 8;
  for (const auto& [name, value] : event.attributes) {
    size += name.size() + value.size() + 4;
  }
  std::string body;
  body.reserve(size);
  BodyWriter writer(body);
  std::string attribute;
  for (const auto& [name, value] : event.attributes) {
    attribute.assign(name).push_back('\0');
    attribute.append(value);
    writer.bytes(kAttribute, attribute);
  }
  writer.bytes(kData, event.data);
  return body;
}

Result<Event> decode_event(std::string_view body) {
  Event event;
  BodyReader reader(body);
  for (;;) {
    const auto field = reader.next();
    if (!field) {
      return std::unexpected(field.error());
    }
    if (!*field) {
      return event;
    }
    const std::string_view bytes = (*field)->bytes;
    if ((*field)->is_bytes && (*field)->tag == kData) {
      event.data = bytes;
      continue;
    }
    const std::size_t end = bytes.find('\0');
    if (!(*field)->is_bytes || (*field)->tag != kAttribute || end == std::string_view::npos) {
      return fail(Errc::invalid, fmt::format("an event with an unknown field, tag {}", (*field)->tag));
    }
    if (event.attributes.size() == kMaxEventAttributes) {
      return fail(Errc::limit, fmt::format("an event with more than {} attributes", kMaxEventAttributes));
    }
    event.attributes.emplace_back(bytes.substr(0, end), bytes.substr(end + 1));
  }
}

}  // namespace flotilla::journal
