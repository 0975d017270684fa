#include "flotilla/journal/core/position.hpp"

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::journal {
namespace {

// In the one form that text() writes: no sign, no leading zero.
std::optional<std::uint64_t> plain_number(std::string_view text) {
  const auto n = parse_int<std::int64_t>(text);
  if (!n || *n < 0 || text.front() == '+' || text.front() == '-' ||
      (text.front() == '0' && text.size() > 1)) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(*n);
}

}  // namespace

std::string Position::text() const { return n_ == 0 && shard_ == 0 ? "0" : fmt::format("{}-{}", shard_, n_); }

Result<Position> Position::parse(std::string_view text) {
  if (text == "0") {
    return Position();
  }
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    const auto shard = plain_number(text.substr(0, dash));
    const auto n = plain_number(text.substr(dash + 1));
    if (shard && n && *shard < kMaxShards && (*shard > 0 || *n > 0)) {
      return Position(*n, static_cast<std::uint32_t>(*shard));
    }
  }
  return fail(Errc::invalid,
              fmt::format("\"{}\" is no position: give 0, or one that an answer named", text.substr(0, 64)));
}

}  // namespace flotilla::journal
