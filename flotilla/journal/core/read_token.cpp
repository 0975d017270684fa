#include "flotilla/journal/core/read_token.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"

namespace flotilla::journal {

void ReadToken::move_to(Position position) {
  FLOTILLA_ASSERT(position.shard() < numbers_.size());
  numbers_[position.shard()] = position.number();
}

void ReadToken::advance_to(Position position) {
  if (!covers(position)) {
    move_to(position);
  }
}

void ReadToken::advance_to(const ReadToken& other) {
  FLOTILLA_ASSERT(shards() == other.shards());
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    numbers_[i] = std::max(numbers_[i], other.numbers_[i]);
  }
}

bool ReadToken::covers(Position position) const noexcept {
  return position.number() == 0 ||
         (position.shard() < shards() && numbers_[position.shard()] >= position.number());
}

bool ReadToken::covers(const ReadToken& other) const noexcept {
  for (std::uint32_t shard = 0; shard < other.shards(); ++shard) {
    if (!covers(other.at(shard))) {
      return false;
    }
  }
  return true;
}

std::uint64_t ReadToken::total() const noexcept {
  return std::accumulate(numbers_.begin(), numbers_.end(), std::uint64_t{0});
}

std::string ReadToken::text() const {
  std::string out;
  for (std::uint32_t shard = 0; shard < shards(); ++shard) {
    if (numbers_[shard] != 0) {
      out += out.empty() ? "" : ".";
      out += at(shard).text();
    }
  }
  return out.empty() ? "0" : out;
}

Result<ReadToken> ReadToken::parse(std::string_view text, std::uint32_t shards) {
  ReadToken token(shards);
  if (text == "0") {
    return token;
  }
  const auto wrong = [text] {
    return fail(Errc::invalid, fmt::format("\"{}\" is no place to read from: give 0, latest, or a token that "
                                           "an answer named",
                                           text.substr(0, 64)));
  };
  std::uint32_t next = 0;  // the least shard that may come
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t dot = std::min(text.find('.', at), text.size());
    const auto position = Position::parse(text.substr(at, dot - at));
    if (!position || position->number() == 0 || position->shard() < next || position->shard() >= shards) {
      return wrong();
    }
    token.move_to(*position);
    next = position->shard() + 1;
    at = dot + 1;
  }
  return token;
}

}  // namespace flotilla::journal
