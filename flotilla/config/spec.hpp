// One description of a mapping from which its reader, its JSON Schema and its reference table come.
//
//   Spec<Limits> limits("limits of a listener");
//   limits.field("body", size(1, 1_GiB), &Limits::body, "largest request body");
//   limits.later("tls");                      // defined by the design, refused by this build
//   limits.read(node, value, problems);
//
// A Kind says how one value is written. Unknown keys are errors with the nearest known key as a hint.
// Ownership: values, built once. Threads: const use from any.
#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flotilla/config/key_table.hpp"
#include "flotilla/config/node.hpp"
#include "flotilla/config/values.hpp"

namespace flotilla::config {

template <class T>
struct Kind {
  std::string form;    // for people: "a duration such as 5s"
  std::string schema;  // a JSON Schema, as JSON text
  std::function<std::optional<T>(const Node&, Problems&)> read;
  // Of a mapping: the reference of its keys, each with `prefix` before it.
  std::function<std::string(const std::string& prefix)> reference = nullptr;
};

// The kinds of values.h, within bounds.
[[nodiscard]] Kind<std::string> text();
[[nodiscard]] Kind<std::string> one_of(std::vector<std::string> words);
[[nodiscard]] Kind<bool> boolean();
[[nodiscard]] Kind<std::uint32_t> integer(std::uint32_t least, std::uint32_t most);
[[nodiscard]] Kind<Duration> duration(Duration least, Duration most);
[[nodiscard]] Kind<DurationRange> duration_range();
[[nodiscard]] Kind<std::uint64_t> size(std::uint64_t least, std::uint64_t most);
[[nodiscard]] Kind<double> share();
[[nodiscard]] Kind<Rate> rate();
[[nodiscard]] Kind<double> number(double least, double most);
// An address to listen on: a literal IP and a port.
[[nodiscard]] Kind<std::string> listen_address();
// Any value, as JSON text.
[[nodiscard]] Kind<std::string> json_value();

// The text of a scalar, or a problem that says `form`.
[[nodiscard]] const std::string* scalar(const Node& node, std::string_view form, Problems& problems);
void wrong(const Node& node, std::string_view form, Problems& problems);

template <class T>
[[nodiscard]] Kind<std::vector<T>> list_of(Kind<T> item) {
  return {.form = "a list, each " + item.form,
          .schema = R"({"type":"array","items":)" + item.schema + "}",
          .read = [item](const Node& node, Problems& problems) -> std::optional<std::vector<T>> {
            if (node.kind != Node::Kind::list) {
              wrong(node, "a list, each " + item.form, problems);
              return std::nullopt;
            }
            std::vector<T> all;
            for (const Node& element : node.items) {
              if (auto value = item.read(element, problems)) {
                all.push_back(std::move(*value));
              }
            }
            return all;
          }};
}

template <class T>
class Spec {
 public:
  explicit Spec(std::string about) : keys_(std::move(about)) {}

  // `member` receives the value; `shown` is the default for the reference, empty for none.
  template <class U, class M, class Owner>
    requires std::derived_from<T, Owner>
  Spec& field(std::string key, Kind<U> kind, M Owner::* member, std::string doc, std::string shown = {}) {
    auto read = [read = std::move(kind.read), member](const Node& node, void* into, Problems& problems) {
      if (auto value = read(node, problems)) {
        static_cast<T*>(into)->*member = std::move(*value);
      }
    };
    return add(std::move(key), kind, std::move(doc), std::move(shown), std::move(read));
  }
  // A field that sets more than one member, or needs its place.
  template <class U>
  Spec& field_with(std::string key, Kind<U> kind, std::function<void(T&, U, const Node&, Problems&)> set,
                   std::string doc, std::string shown = {}) {
    auto read = [read = std::move(kind.read), set = std::move(set)](const Node& node, void* into,
                                                                    Problems& problems) {
      if (auto value = read(node, problems)) {
        set(*static_cast<T*>(into), std::move(*value), node, problems);
      }
    };
    return add(std::move(key), kind, std::move(doc), std::move(shown), std::move(read));
  }
  // A key of the design that this build refuses.
  Spec& later(std::string key) {
    keys_.add({.name = std::move(key), .schema = "false", .later = true});
    return *this;
  }
  Spec& required(std::string key) {
    keys_.require(std::move(key));
    return *this;
  }

  // Reads into `value`, which holds the defaults. False if anything was wrong in `node`; what `problems`
  // held before does not matter.
  bool read(const Node& node, T& value, Problems& problems) const {
    Problems own;
    keys_.read(node, &value, own);
    const bool good = own.empty();
    problems.append(std::move(own));
    return good;
  }

  [[nodiscard]] Kind<T> kind(T defaults = {}) const {
    return {.form = keys_.form(),
            .schema = keys_.schema(),
            .read = [spec = *this, defaults](const Node& node, Problems& problems) -> std::optional<T> {
              T value = defaults;
              return spec.read(node, value, problems) ? std::optional(std::move(value)) : std::nullopt;
            },
            .reference = [keys = keys_](const std::string& prefix) { return keys.reference(prefix); }};
  }

  [[nodiscard]] std::string schema() const { return keys_.schema(); }
  [[nodiscard]] std::string reference(const std::string& prefix = {}) const {
    return keys_.reference(prefix);
  }
  [[nodiscard]] const std::string& about() const noexcept { return keys_.about(); }

 private:
  template <class U>
  Spec& add(std::string key, const Kind<U>& kind, std::string doc, std::string shown,
            std::function<void(const Node&, void*, Problems&)> read) {
    keys_.add({.name = std::move(key),
               .form = kind.form,
               .schema = kind.schema,
               .doc = std::move(doc),
               .shown = std::move(shown),
               .read = std::move(read),
               .reference = kind.reference});
    return *this;
  }

  KeyTable keys_;
};

}  // namespace flotilla::config
