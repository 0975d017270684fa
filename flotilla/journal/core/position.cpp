#include "flotilla/journal/core/position.hpp"

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::journal {
namespace {

constexpr std::string_view kShard = "0-";

}  // namespace

std::string Position::text() const { return n_ == 0 ? "0" : fmt::format("{}{}", kShard, n_); }

Result<Position> Position::parse(std::string_view text) {
  if (text == "0") {
    return Position();
  }
  if (text.starts_with(kShard)) {
    const std::string_view digits = text.substr(kShard.size());
    const auto n = parse_int<std::int64_t>(digits);
    if (n && *n > 0 && digits.front() != '0' && digits.front() != '+') {
      return Position(static_cast<std::uint64_t>(*n));
    }
  }
  return fail(Errc::invalid,
              fmt::format("\"{}\" is no position: give 0, or one that an answer named", text.substr(0, 64)));
}

}  // namespace flotilla::journal
