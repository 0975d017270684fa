// Bodies of records: tagged fields, so that a type can gain fields without becoming another type.
//
// A field is varint(tag << 1 | kind), then for kind 0 a number as a varint, for kind 1 a varint length and
// that many bytes. Tags run from 1 and never decrease; a tag that repeats is a list. So one content has one
// encoding, and bytes can be compared and hashed.
// A reader that meets a tag it does not know must fail, as with unknown types: its schema said what may come.
// Ownership: a writer appends to the caller's string; fields point into the body that is read.
// Threads: plain values. Limits: tags below 2^29; bodies of kMaxBody (record.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"

namespace flotilla::journal {

class BodyWriter {
 public:
  explicit BodyWriter(std::string& out) noexcept : out_(out) {}

  // Both assert that the tag is not below the one before.
  BodyWriter& number(std::uint32_t tag, std::uint64_t value);
  BodyWriter& bytes(std::uint32_t tag, std::string_view value);

 private:
  void head(std::uint32_t tag, bool is_bytes);
  std::string& out_;
  std::uint32_t last_tag_ = 1;
};

struct Field {
  std::uint32_t tag = 0;
  bool is_bytes = false;
  std::uint64_t number = 0;  // where !is_bytes
  std::string_view bytes;    // where is_bytes
};

class BodyReader {
 public:
  explicit BodyReader(std::string_view body) noexcept : body_(body) {}

  // The next field; nothing at the end. Errors: invalid, with the offset; after one the reader stays there.
  [[nodiscard]] Result<std::optional<Field>> next();

 private:
  std::string_view body_;
  std::size_t at_ = 0;
  std::uint32_t last_tag_ = 1;
};

// Whether the whole body can be read. Errors as of BodyReader.
[[nodiscard]] Result<> check_body(std::string_view body);

}  // namespace flotilla::journal
