#include "flotilla/cqrs/answer_body.hpp"

#include <utility>

#include "flotilla/base/sha256.hpp"

namespace flotilla::cqrs {

namespace {

AnswerBody tagged(std::string json) {
  Answer out{.json = std::move(json), .etag = {}};
  if (out.json.size() <= kMaxTagged) {
    out.etag = '"' + to_hex(sha256(out.json)).substr(0, 32) + '"';
  }
  return std::make_shared<const Answer>(std::move(out));
}

}  // namespace

AnswerBody body_of(const std::vector<journal::FoldRow>& rows, bool by_row) {
  if (rows.empty()) {
    return nullptr;
  }
  if (!by_row) {
    return tagged(rows.front().value);
  }
  std::string body = "[";
  for (const journal::FoldRow& row : rows) {
    body += body.size() == 1 ? "" : ",";
    body += row.value;
  }
  body += ']';
  return tagged(std::move(body));
}

net::Task<Result<WholeAnswer>> read_whole(journal::Journal& journal, const Serving& serving,
                                          std::string key) {
  const bool by_row = serving.by_row();
  const auto page = co_await journal.rows(journal::RowQuery{.table = serving.table(),
                                                            .key = std::move(key),
                                                            .after = {},
                                                            .rows = by_row ? kMaxPageRows : 1,
                                                            .bytes = kMaxPageBytes,
                                                            .cursor = serving.cursor()});
  if (!page) {
    co_return std::unexpected(page.error());
  }
  WholeAnswer out{.body = body_of(page->rows, by_row), .whole = page->at_end || !by_row, .position = {}};
  if (page->position) {
    out.position = page->position->number();
  }
  co_return out;
}

}  // namespace flotilla::cqrs
