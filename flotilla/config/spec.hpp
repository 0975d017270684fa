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

#include <algorithm>
#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
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
  explicit Spec(std::string about) : about_(std::move(about)) {}

  // `member` receives the value; `shown` is the default for the reference, empty for none.
  template <class U, class M, class Owner>
    requires std::derived_from<T, Owner>
  Spec& field(std::string key, Kind<U> kind, M Owner::* member, std::string doc, std::string shown = {}) {
    auto read = [kind, member](const Node& node, T& into, Problems& problems) {
      if (auto value = kind.read(node, problems)) {
        into.*member = std::move(*value);
      }
    };
    return add({std::move(key), kind.form, kind.schema, std::move(doc), std::move(shown), std::move(read),
                false, kind.reference});
  }
  // A field that sets more than one member, or needs its place.
  template <class U>
  Spec& field_with(std::string key, Kind<U> kind, std::function<void(T&, U, const Node&, Problems&)> set,
                   std::string doc, std::string shown = {}) {
    auto read = [kind, set](const Node& node, T& into, Problems& problems) {
      if (auto value = kind.read(node, problems)) {
        set(into, std::move(*value), node, problems);
      }
    };
    return add({std::move(key), kind.form, kind.schema, std::move(doc), std::move(shown), std::move(read),
                false, kind.reference});
  }
  // A key of the design that this build refuses.
  Spec& later(std::string key) { return add({std::move(key), {}, "false", {}, {}, {}, true, {}}); }
  Spec& required(std::string key) {
    required_.push_back(std::move(key));
    return *this;
  }

  // Reads into `value`, which holds the defaults. False if anything was wrong in `node`; what `problems`
  // held before does not matter.
  bool read(const Node& node, T& value, Problems& problems) const {
    Problems own;
    read_into(node, value, own);
    const bool good = own.empty();
    problems.append(std::move(own));
    return good;
  }

  [[nodiscard]] Kind<T> kind(T defaults = {}) const {
    return {.form = "a mapping (" + about_ + ")",
            .schema = schema(),
            .read = [spec = *this, defaults](const Node& node, Problems& problems) -> std::optional<T> {
              T value = defaults;
              return spec.read(node, value, problems) ? std::optional(std::move(value)) : std::nullopt;
            },
            .reference = [spec = *this](const std::string& prefix) { return spec.reference(prefix); }};
  }

  [[nodiscard]] std::string schema() const {
    // Nothing at all stands for the defaults, unless a key is required.
    std::string out = fmt::format(R"({{"type":{},"additionalProperties":false,"properties":{{)",
                                  required_.empty() ? R"(["object","null"])" : R"("object")");
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (fields_[i].later) {
        continue;
      }
      out += fmt::format("{}\"{}\":{}", out.ends_with('{') ? "" : ",", fields_[i].key, fields_[i].schema);
    }
    out += "}";
    for (std::size_t i = 0; i < required_.size(); ++i) {
      out += fmt::format("{}\"{}\"", i == 0 ? R"(,"required":[)" : ",", required_[i]);
    }
    return out + (required_.empty() ? "}" : "]}");
  }

  // Rows of a Markdown table: key, form with its bounds, default, meaning; the keys of mappings below theirs.
  [[nodiscard]] std::string reference(const std::string& prefix = {}) const {
    std::string out;
    for (const Field& field : fields_) {
      if (field.later) {
        out += fmt::format("| `{}{}` | | | not in this build yet |\n", prefix, field.key);
        continue;
      }
      const bool required = std::ranges::find(required_, field.key) != required_.end();
      out += fmt::format("| `{}{}` | {} | {} | {} |\n", prefix, field.key, field.form,
                         required ? "required" : field.shown, field.doc);
      if (field.reference) {
        out += field.reference(prefix + field.key + ".");
      }
    }
    return out;
  }
  [[nodiscard]] const std::string& about() const noexcept { return about_; }

 private:
  struct Field {
    std::string key;
    std::string form;
    std::string schema;
    std::string doc;
    std::string shown;
    std::function<void(const Node&, T&, Problems&)> read;
    bool later = false;
    std::function<std::string(const std::string&)> reference;
  };
  void read_into(const Node& node, T& value, Problems& problems) const {
    if (node.kind == Node::Kind::null) {
      check_required(node, problems);  // `service: ` without anything takes the defaults
      return;
    }
    if (node.kind != Node::Kind::map) {
      wrong(node, "a mapping (" + about_ + ")", problems);
      return;
    }
    for (const Node::Entry& entry : node.entries) {
      const Field* const field = find(entry.key);
      if (field == nullptr) {
        problems.add(entry.place, unknown(entry.key));
      } else if (field->later) {
        problems.add(entry.place, fmt::format("'{}' is not in this build yet", entry.key));
      } else {
        field->read(entry.value, value, problems);
      }
    }
    check_required(node, problems);
  }
  Spec& add(Field field) {
    fields_.push_back(std::move(field));
    return *this;
  }
  [[nodiscard]] const Field* find(std::string_view key) const {
    for (const Field& field : fields_) {
      if (field.key == key) {
        return &field;
      }
    }
    return nullptr;
  }
  [[nodiscard]] std::string unknown(const std::string& key) const {
    std::vector<std::string_view> known;
    for (const Field& field : fields_) {
      known.push_back(field.key);
    }
    const auto hint = nearest(key, known);
    return hint ? fmt::format("unknown key '{}'; did you mean '{}'?", key, *hint)
                : fmt::format("unknown key '{}' ({})", key, about_);
  }
  void check_required(const Node& node, Problems& problems) const {
    for (const std::string& key : required_) {
      if (node.find(key) == nullptr) {
        problems.add(node.place, fmt::format("'{}' is missing ({})", key, about_));
      }
    }
  }

  std::string about_;
  std::vector<Field> fields_;
  std::vector<std::string> required_;
};

}  // namespace flotilla::config
