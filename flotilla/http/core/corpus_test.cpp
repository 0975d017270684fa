// Runs smuggling.txt and responses.txt against the parsers, whole and split at every byte.
#include "flotilla/http/testdata/corpus.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "flotilla/http/core/body.hpp"
#include "flotilla/http/core/http1_parser.hpp"

namespace flotilla::http {
namespace {

const std::string kFolder = std::string{FLOTILLA_SOURCE_DIR} + "/flotilla/http/testdata/";

// Feeds `bytes` in pieces that end at each of `cuts` and at the end; the corpus's word for what came out.
class Reader {
 public:
  Reader(std::string_view bytes, std::vector<std::size_t> cuts) : bytes_(bytes), cuts_(std::move(cuts)) {
    cuts_.push_back(bytes.size());
  }

  template <class Parse>
  std::string read(Parse parse, const Head& head, bool closes) {
    ParseOutcome outcome;
    std::size_t cut = 0;
    std::string moved;  // the bytes lie elsewhere each time, as in a growing buffer
    for (; cut < cuts_.size() && outcome.state == ParseOutcome::State::need_more; ++cut) {
      moved = std::string{bytes_.substr(0, cuts_[cut])};
      outcome = parse(moved);
    }
    if (outcome.failed()) {
      return std::to_string(outcome.error.status);
    }
    return outcome.done() ? read_body(head, outcome.consumed, cut - 1, closes) : "more";
  }

 private:
  std::string read_body(const Head& head, std::size_t from, std::size_t cut, bool closes) {
    BodyDecoder body;
    body.start(head.framing, {});
    std::size_t received = 0;
    for (; cut < cuts_.size(); ++cut) {
      while (from < cuts_[cut] && !body.done()) {
        const BodyDecoder::Piece piece = body.feed(bytes_.substr(from, cuts_[cut] - from));
        if (piece.state == BodyDecoder::Piece::State::error) {
          return std::to_string(piece.error.status);
        }
        EXPECT_TRUE(piece.consumed > 0 || piece.state == BodyDecoder::Piece::State::done);
        from += piece.consumed;
        received += piece.data.size();
      }
    }
    EXPECT_EQ(received, body.received());
    if (!body.done() && !(closes && body.finish())) {
      return "more";
    }
    switch (head.framing.kind) {
      case Framing::Kind::none:
        return "ok none";
      case Framing::Kind::length:
        return "ok length " + std::to_string(received);
      case Framing::Kind::chunked:
        return "ok chunked " + std::to_string(received);
      case Framing::Kind::until_close:
        return "ok close " + std::to_string(received);
    }
    return "?";
  }

  std::string_view bytes_;
  std::vector<std::size_t> cuts_;
};

std::string read_request(std::string_view bytes, std::vector<std::size_t> cuts) {
  RequestHead head;
  return Reader{bytes, std::move(cuts)}.read(
      [&head](std::string_view seen) { return parse_request_head(seen, {}, head); }, head, false);
}

std::string read_response(std::string_view bytes, Method method, std::vector<std::size_t> cuts) {
  ResponseHead head;
  std::string word = Reader{bytes, std::move(cuts)}.read(
      [&](std::string_view seen) { return parse_response_head(seen, {}, method, head); }, head, true);
  return word.starts_with("ok") || word == "more" ? word : "error";
}

// All bytes for short messages; around the interesting places (start, limits, end) for long ones.
std::vector<std::size_t> places(std::size_t size) {
  std::vector<std::size_t> all;
  for (std::size_t at = 0; at < size; ++at) {
    if (size < 2000 || at < 200 || at + 200 > size || at % 997 == 0) {
      all.push_back(at);
    }
  }
  return all;
}

template <class Read>
void check(const std::string& name, const std::string& expected, std::string_view bytes, Read read) {
  EXPECT_EQ(read(bytes, {}), expected) << name;
  const std::vector<std::size_t> all = places(bytes.size());
  EXPECT_EQ(read(bytes, all), expected) << name << ", byte by byte";
  for (const std::size_t at : all) {
    ASSERT_EQ(read(bytes, {at}), expected) << name << ", split at " << at;
  }
}

TEST(Corpus, Requests) {
  const auto cases = testdata::read_cases(kFolder + "smuggling.txt", 3);
  ASSERT_GE(cases.size(), 150U);
  for (const auto& row : cases) {
    check(row[0], row[1], row[2], read_request);
  }
}

TEST(Corpus, Responses) {
  const auto cases = testdata::read_cases(kFolder + "responses.txt", 4);
  ASSERT_GE(cases.size(), 50U);
  for (const auto& row : cases) {
    check(row[0], row[2], row[3],
          [method = method_from(row[1])](std::string_view bytes, std::vector<std::size_t> cuts) {
            return read_response(bytes, method, std::move(cuts));
          });
  }
}

}  // namespace
}  // namespace flotilla::http
