// Writing and reading the fields of a record, by one description of them for both ways.
//
// For: record.cpp and snapshot.cpp. A type's description is `template <class Fields> void
// describe(Fields&, T&)`, which names each member with its tag in rising order: fields(1, x.step). The writer
// leaves zeros and empty texts out; the reader refuses them, so that one content has one encoding, and
// refuses tags that nobody asked for. Ownership: views of the caller's bytes. Threads: one owner.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "flotilla/journal/core/body.hpp"

namespace flotilla::saga {

template <class T>
concept CodedNumber = std::integral<T> || std::is_enum_v<T>;

class FieldWriter {
 public:
  explicit FieldWriter(std::string& out) : writer_(out) {}

  template <CodedNumber T>
  void operator()(std::uint32_t tag, const T& value) {
    if (value != T{}) {
      writer_.number(tag, static_cast<std::uint64_t>(value));
    }
  }
  void operator()(std::uint32_t tag, const std::string& value) {
    if (!value.empty()) {
      writer_.bytes(tag, value);
    }
  }
  void operator()(std::uint32_t tag, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      writer_.bytes(tag, value);
    }
  }
  // A part with fields of its own.
  template <class T>
    requires(!CodedNumber<T>)
  void operator()(std::uint32_t tag, const T& part) {
    std::string inner;
    FieldWriter fields(inner);
    describe(fields, const_cast<T&>(part));  // NOLINT: one description serves reading, which changes it
    if (!inner.empty()) {
      writer_.bytes(tag, inner);
    }
  }
  template <class T>
  void operator()(std::uint32_t tag, const std::vector<T>& parts) {
    for (const T& part : parts) {
      std::string inner;
      FieldWriter fields(inner);
      describe(fields, const_cast<T&>(part));  // NOLINT
      writer_.bytes(tag, inner);
    }
  }

  template <class T>
  void at_most(const T& /*value*/, T /*last*/) {}

 private:
  journal::BodyWriter writer_;
};

class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : reader_(bytes) { advance(); }

  template <CodedNumber T>
  void operator()(std::uint32_t tag, T& value) {
    const auto field = take(tag, false);
    if (!field) {
      return;
    }
    std::uint64_t most = 0;
    if constexpr (std::is_enum_v<T>) {
      most = std::numeric_limits<std::underlying_type_t<T>>::max();
    } else {
      most = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
    }
    if (field->number == 0 || field->number > most) {
      fault("a number is out of range");
      return;
    }
    value = static_cast<T>(field->number);
  }
  void operator()(std::uint32_t tag, std::string& value) {
    if (const auto field = take(tag, true)) {
      if (field->bytes.empty()) {
        fault("an empty text is written out");
      }
      value = field->bytes;
    }
  }
  void operator()(std::uint32_t tag, std::vector<std::string>& values) {
    while (const auto field = take(tag, true)) {
      values.emplace_back(field->bytes);
    }
  }
  template <class T>
    requires(!CodedNumber<T>)
  void operator()(std::uint32_t tag, T& part) {
    if (const auto field = take(tag, true)) {
      if (field->bytes.empty()) {
        fault("an empty part is written out");
      }
      read_part(field->bytes, part);
    }
  }
  template <class T>
  void operator()(std::uint32_t tag, std::vector<T>& parts) {
    while (const auto field = take(tag, true)) {
      read_part(field->bytes, parts.emplace_back());
    }
  }

  // Refuses an enumerator that this version does not know.
  template <class T>
  void at_most(const T& value, T last) {
    if (value > last) {
      fault("an unknown value");
    }
  }
  void fault(std::string_view what) {
    if (fault_.empty()) {
      fault_ = what;
    }
  }
  // Nothing when every field was asked for and held; else what is wrong.
  [[nodiscard]] std::optional<std::string> finish() {
    if (fault_.empty() && current_) {
      fault_ = "an unknown field, tag " + std::to_string(current_->tag);
    }
    return fault_.empty() ? std::nullopt : std::optional(fault_);
  }

 private:
  void advance() {
    auto next = reader_.next();
    if (!next) {
      fault(next.error().message);
      current_.reset();
      return;
    }
    current_ = *next;
  }
  std::optional<journal::Field> take(std::uint32_t tag, bool is_bytes) {
    if (!fault_.empty() || !current_ || current_->tag != tag) {
      return std::nullopt;
    }
    const journal::Field field = *current_;
    if (field.is_bytes != is_bytes) {
      fault("a field of the wrong kind");
      return std::nullopt;
    }
    advance();
    return field;
  }
  template <class T>
  void read_part(std::string_view bytes, T& part) {
    FieldReader inner(bytes);
    describe(inner, part);
    if (const auto wrong = inner.finish()) {
      fault(*wrong);
    }
  }

  journal::BodyReader reader_;
  std::optional<journal::Field> current_;
  std::string fault_;
};

}  // namespace flotilla::saga
