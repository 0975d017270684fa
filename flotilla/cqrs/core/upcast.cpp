#include "flotilla/cqrs/core/upcast.hpp"

#include <utility>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::cqrs {

std::uint64_t newest_form(const Upcasts& upcasts, std::string_view type) {
  const auto found = upcasts.find(type);
  return found == upcasts.end() ? 1 : found->second.size() + 1;
}

std::expected<void, std::string> bring_up(const Upcasts& upcasts, EventValues& event) {
  const json::Value& type = event.event["type"];
  const std::string_view name = type.is_string() ? type.as_string() : std::string_view();
  const json::Value& written = event.event[kDataVersion];
  const auto form =
      written.is_string() ? parse_int<std::uint64_t>(written.as_string()) : std::optional<std::uint64_t>(1);
  const std::uint64_t newest = newest_form(upcasts, name);
  if (!form || *form == 0 || *form > newest) {
    return std::unexpected(
        fmt::format("its data has form '{}', and the file knows forms 1 to {} of {}: a newer "
                    "file wrote it",
                    written.is_string() ? written.as_string() : "?", newest, name));
  }
  for (std::uint64_t at = *form; at < newest; ++at) {
    auto next = upcasts.find(name)->second[at - 1](event);
    if (!next) {
      return std::unexpected(fmt::format("upcast of form {}: {}", at, next.error()));
    }
    event.data = std::move(*next);
    event.event.set("data", event.data);
  }
  return {};
}

}  // namespace flotilla::cqrs
