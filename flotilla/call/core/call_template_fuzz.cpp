#include "flotilla/call/core/call_template_fuzz.hpp"

#include <algorithm>
#include <string>

#include "flotilla/base/assert.hpp"
#include "flotilla/call/core/call_template.hpp"
#include "flotilla/http/core/uri.hpp"

namespace flotilla::call::fuzz {
namespace {

std::expected<std::string, RenderFault> render(const CallTemplate& call, std::string_view value) {
  json::Value path = json::Value::object();
  for (const std::string_view name : call.parameters()) {
    path.set(name, json::Value(value));
  }
  const json::Value none;
  return call.render({.input = none, .path = path, .query = none, .headers = none, .body = none});
}

// What separates the parts of a target, in order.
std::string separators(std::string_view target) {
  std::string found;
  std::ranges::copy_if(target, std::back_inserter(found),
                       [](char c) { return std::string_view("/?#&=").contains(c); });
  return found;
}

}  // namespace

void call_template(std::span<const std::byte> input) {
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  const std::size_t end = std::min(text.find('\n'), text.size());
  const auto call = CallTemplate::parse(text.substr(0, end));
  if (!call) {
    return;
  }
  const auto target = render(*call, text.substr(std::min(end + 1, text.size())));
  const auto harmless = render(*call, "x");
  if (!target || !harmless) {
    return;
  }
  // Only templates of parameters alone: an expression may see the values in another way.
  if (!call->text().contains("{.") && !call->text().contains("{$")) {
    FLOTILLA_ASSERT(separators(*target) == separators(*harmless));
  }
  std::string scratch;
  const std::string path = target->substr(0, target->find('?'));
  const auto normal = http::normalize_path(path, scratch);
  FLOTILLA_ASSERT(normal && normal->path == path);
}

}  // namespace flotilla::call::fuzz
