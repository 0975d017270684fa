#include "flotilla/http/core/head.hpp"

#include <array>

#include "flotilla/base/text.hpp"

namespace flotilla::http {
namespace {

constexpr std::array<std::string_view, 10> kMethodNames{"",       "GET",   "HEAD",    "POST",    "PUT",
                                                        "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"};

constexpr FieldSet kFramingFields = field_set(FieldId::content_length, FieldId::transfer_encoding);

}  // namespace

std::string_view to_string(Method method) noexcept { return kMethodNames[static_cast<std::size_t>(method)]; }

Method method_from(std::string_view name) noexcept {
  switch (name.size()) {
    case 3:
      return name == "GET" ? Method::get : name == "PUT" ? Method::put : Method::other;
    case 4:
      return name == "POST" ? Method::post : name == "HEAD" ? Method::head : Method::other;
    case 5:
      return name == "PATCH" ? Method::patch : name == "TRACE" ? Method::trace : Method::other;
    case 6:
      return name == "DELETE" ? Method::delete_ : Method::other;
    case 7:
      return name == "OPTIONS" ? Method::options : name == "CONNECT" ? Method::connect : Method::other;
    default:
      return Method::other;
  }
}

const FieldView* Head::find(std::string_view name) const noexcept {
  for (const FieldView& field : fields) {
    if (iequals(field.name, name)) {
      return &field;
    }
  }
  return nullptr;
}

std::optional<std::string_view> Head::get(FieldId id) const noexcept {
  const FieldView* field = find(id);
  return field == nullptr ? std::nullopt : std::optional{field->value};
}

std::optional<std::string_view> Head::get(std::string_view name) const noexcept {
  const FieldView* field = find(name);
  return field == nullptr ? std::nullopt : std::optional{field->value};
}

Fields Head::copy_fields() const {
  Fields copy;
  for (const FieldView& field : fields) {
    if (!field.nominated && (field_bit(field.id) & (kHopByHopFields | kFramingFields)) == 0) {
      copy.add(std::string{field.name}, std::string{field.value});
    }
  }
  return copy;
}

void Head::clear() noexcept {
  fields.clear();
  present = 0;
  repeated = 0;
  version = Version::http_1_1;
  framing = {};
  keep_alive = true;
  connection_upgrade = false;
  websocket = false;
  scan.reset();
}

void RequestHead::clear() noexcept {
  Head::clear();
  method = Method::other;
  method_name = {};
  target = {};
  path = {};
  query = {};
  has_query = false;
  absolute_form = false;
  host = {};
  port.reset();
  expect_continue = false;
}

void ResponseHead::clear() noexcept {
  Head::clear();
  status = 0;
  reason = {};
}

}  // namespace flotilla::http
