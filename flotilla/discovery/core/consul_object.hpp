// Reads members of a JSON object as Consul does: whatever the case of a key, null as if it were absent.
//
// For: consul_decode. The first wrong member is kept as the error; a value that is wrong leaves the default.
// Ownership: borrows the object. Threads: one. Limits: texts are bounded as the caller says.
#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/error.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/discovery/core/catalog_types.hpp"
#include "flotilla/discovery/core/go_duration.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::discovery {

class ObjectReader {
 public:
  explicit ObjectReader(const json::Value& object) : object_(object) {}

  // Null where it is absent or null; of several spellings the last wins.
  [[nodiscard]] const json::Value& get(std::string_view name) const {
    static const json::Value kNothing;
    const json::Value* found = &kNothing;
    for (const json::Member& member : object_.members()) {
      if (!member.value.is_null() && same_key(member.key(), name)) {
        found = &member.value;
      }
    }
    return *found;
  }
  void text(std::string_view name, std::string& out, std::size_t most = limits::kNameBytes) {
    const json::Value& value = get(name);
    if (value.is_null()) {
      return;
    }
    if (!value.is_string()) {
      wrong(name, "a string");
    } else if (value.as_string().size() > most) {
      complain(fmt::format("{} is longer than {} bytes", name, most));
    } else {
      out = value.as_string();
    }
  }
  void flag(std::string_view name, bool& out) {
    const json::Value& value = get(name);
    if (value.is_bool()) {
      out = value.as_bool();
    } else if (!value.is_null()) {
      wrong(name, "a boolean");
    }
  }
  template <class Int>
  void number(std::string_view name, std::int64_t least, std::int64_t most, Int& out) {
    const json::Value& value = get(name);
    if (value.is_null()) {
      return;
    }
    const auto number = value.as_int();
    if (!number || *number < least || *number > most) {
      wrong(name, fmt::format("an integer from {} to {}", least, most));
      return;
    }
    out = static_cast<Int>(*number);
  }
  void duration(std::string_view name, Duration& out) {
    const json::Value& value = get(name);
    if (value.is_null() || (value.is_string() && value.as_string().empty())) {
      return;
    }
    if (const auto ns = value.as_int()) {
      out = Duration{*ns};
    } else if (!value.is_string()) {
      wrong(name, "a duration");
    } else if (const auto parsed = parse_go_duration(value.as_string())) {
      out = *parsed;
    } else {
      complain(fmt::format("{}: {}", name, parsed.error().message));
    }
  }
  void complain(std::string message) {
    if (!error_) {
      error_ = Error{Errc::invalid, std::move(message)};
    }
  }
  void wrong(std::string_view name, std::string_view wanted) {
    complain(fmt::format("Request decode failed: {} must be {}", name, wanted));
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  // `service_id` is `ServiceID`.
  [[nodiscard]] static bool same_key(std::string_view key, std::string_view name) {
    std::string plain;
    std::ranges::copy_if(key, std::back_inserter(plain), [](char c) { return c != '_'; });
    return iequals(plain, name);
  }

  const json::Value& object_;
  std::optional<Error> error_;
};

}  // namespace flotilla::discovery
