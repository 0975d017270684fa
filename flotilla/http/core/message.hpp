// Owned HTTP messages: what control APIs, health checks and buffered calls pass around.
//
// Not for the proxy's hot path, which works on views into the bytes as received
// (flotilla/http/core/head.hpp). Header names compare without case, keep the case they came in, and
// keep their order; a name may stand more than once.
// Ownership: values. Threads: plain data. Limits: whoever fills one bounds it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flotilla/base/text.hpp"

namespace flotilla::http {

struct Field {
  std::string name;
  std::string value;
  friend bool operator==(const Field&, const Field&) = default;
};

class Fields {
 public:
  Fields() = default;
  Fields(std::initializer_list<Field> fields) : fields_(fields) {}

  // The first value of `name`, or nothing.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const {
    for (const Field& field : fields_) {
      if (iequals(field.name, name)) {
        return field.value;
      }
    }
    return std::nullopt;
  }
  [[nodiscard]] bool contains(std::string_view name) const { return get(name).has_value(); }
  void add(std::string name, std::string value) { fields_.push_back({std::move(name), std::move(value)}); }
  // Replaces every field of that name by one.
  void set(std::string name, std::string value) {
    remove(name);
    add(std::move(name), std::move(value));
  }
  void remove(std::string_view name) {
    std::erase_if(fields_, [name](const Field& field) { return iequals(field.name, name); });
  }
  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  friend bool operator==(const Fields&, const Fields&) = default;

 private:
  std::vector<Field> fields_;
};

struct Request {
  std::string method = "GET";
  std::string target = "/";  // origin form: path and query as sent
  Fields headers;            // without framing headers (Content-Length, Transfer-Encoding)
  std::string body;
};

struct Response {
  std::uint16_t status = 200;
  Fields headers;  // without framing headers; the server adds Content-Length
  std::string body;
};

}  // namespace flotilla::http
