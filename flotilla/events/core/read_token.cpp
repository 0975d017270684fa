#include "flotilla/events/core/read_token.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"

namespace flotilla::events {

void ReadToken::move_to(journal::Position position) {
  FLOTILLA_ASSERT(position.shard() < numbers_.size());
  numbers_[position.shard()] = position.number();
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
    const auto position = journal::Position::parse(text.substr(at, dot - at));
    if (!position || position->number() == 0 || position->shard() < next || position->shard() >= shards) {
      return wrong();
    }
    token.move_to(*position);
    next = position->shard() + 1;
    at = dot + 1;
  }
  return token;
}

}  // namespace flotilla::events
