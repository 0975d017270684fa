#include "flotilla/journal/core/body.hpp"

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/core/varint.hpp"

namespace flotilla::journal {
namespace {

constexpr std::uint64_t kMaxTag = (std::uint64_t{1} << 29) - 1;

}  // namespace

void BodyWriter::head(std::uint32_t tag, bool is_bytes) {
  FLOTILLA_ASSERT(tag >= last_tag_ && tag <= kMaxTag);
  last_tag_ = tag;
  append_varint(out_, (static_cast<std::uint64_t>(tag) << 1) | (is_bytes ? 1U : 0U));
}

BodyWriter& BodyWriter::number(std::uint32_t tag, std::uint64_t value) {
  head(tag, false);
  append_varint(out_, value);
  return *this;
}

BodyWriter& BodyWriter::bytes(std::uint32_t tag, std::string_view value) {
  head(tag, true);
  append_varint(out_, value.size());
  out_.append(value);
  return *this;
}

Result<std::optional<Field>> BodyReader::next() {
  if (at_ == body_.size()) {
    return std::nullopt;
  }
  std::size_t at = at_;
  const auto damaged = [&](std::string_view what) {
    return fail(Errc::invalid, fmt::format("the body of a record is damaged at byte {}: {}", at, what));
  };
  const auto head = read_varint(body_, at);
  if (!head || *head >> 1 > kMaxTag || *head >> 1 == 0) {
    return damaged("no tag");
  }
  Field field;
  field.tag = static_cast<std::uint32_t>(*head >> 1);
  field.is_bytes = (*head & 1U) != 0;
  if (field.tag < last_tag_) {
    return damaged("tags are out of order");
  }
  const auto number = read_varint(body_, at);
  if (!number) {
    return damaged("no number");
  }
  if (!field.is_bytes) {
    field.number = *number;
  } else if (*number > body_.size() - at) {
    return damaged("a field is longer than the body");
  } else {
    field.bytes = body_.substr(at, static_cast<std::size_t>(*number));
    at += field.bytes.size();
  }
  last_tag_ = field.tag;
  at_ = at;
  return field;
}

Result<> check_body(std::string_view body) {
  BodyReader reader(body);
  while (true) {
    const auto field = reader.next();
    if (!field) {
      return std::unexpected(field.error());
    }
    if (!*field) {
      return {};
    }
  }
}

}  // namespace flotilla::journal
