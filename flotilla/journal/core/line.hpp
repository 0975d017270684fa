// Lines of an export: the parts of a store as JSON values, and back.
//
// For: transfer.hpp. Reading is as strict as the store: what is missing, of the wrong kind or out of range is
// an error that names it; members that are not known are errors too. Ownership, threads: pure. Limits: those
// of the parts.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/batch.hpp"
#include "flotilla/journal/core/record.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::journal {

// Text as a string; bytes that are no UTF-8 as {"hex": "..."}.
[[nodiscard]] json::Value text_to_json(std::string_view bytes);
// The tagged fields as [[tag, value], ...]. The body is readable (asserted).
[[nodiscard]] json::Value body_to_json(std::string_view body);
[[nodiscard]] json::Value hash_to_json(const Hash& hash);

// Reads the members of one object; the first fault is kept, and what is read after it means nothing.
class MemberReader {
 public:
  // The object may have these members alone.
  MemberReader(const json::Value& object, std::initializer_list<std::string_view> names);

  [[nodiscard]] std::uint64_t number(std::string_view name, std::uint64_t least, std::uint64_t most);
  [[nodiscard]] std::string text(std::string_view name);
  [[nodiscard]] RecordClass record_class(std::string_view name);
  [[nodiscard]] std::string body(std::string_view name);
  [[nodiscard]] Hash hash(std::string_view name);
  [[nodiscard]] bool has(std::string_view name) const { return object_.find(name) != nullptr; }

  [[nodiscard]] Result<> finish() const;

 private:
  void fault(std::string_view name, std::string_view what);
  [[nodiscard]] std::string bytes(std::string_view name, const json::Value& value);

  const json::Value& object_;
  std::string fault_;
};

}  // namespace flotilla::journal
