// Runs the golden table testdata/delivery_verdicts.txt; its grammar is at its head.
#include "flotilla/events/core/delivery_verdict.hpp"

#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "flotilla/base/text.hpp"

namespace flotilla::events {
namespace {

DeliveryAnswer answer_named(const std::string& word) {
  using Kind = DeliveryAnswer::Kind;
  return {.kind = word == "held-back"  ? Kind::held_back
                  : word == "not-sent" ? Kind::not_sent
                  : word == "lost"     ? Kind::lost
                                       : Kind::status,
          .status = parse_int<std::uint16_t>(word).value_or(0)};
}

TEST(DeliveryVerdict, TheTableHolds) {
  std::ifstream file(FLOTILLA_SOURCE_DIR "/flotilla/events/testdata/delivery_verdicts.txt");
  std::set<DeliveryRow> rows;
  std::set<DeliveryVerdict> verdicts;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') {
      continue;
    }
    SCOPED_TRACE(line);
    std::istringstream words(line);
    std::string word;
    words >> word;
    DeliveryAnswer answer = answer_named(word);
    while (words >> word && word[0] == '+') {
      if (word == "+platform") {
        answer.from_platform = true;
      } else {
        ASSERT_TRUE(word.starts_with("+outcome=")) << word;
        answer.outcome = parse_event_outcome(" " + word.substr(9) + " ");
      }
    }
    const DeliveryJudgement judged = judge(answer);
    EXPECT_EQ(word, to_string(judged.row));
    words >> word;
    EXPECT_EQ(word, std::string(to_string(judged.verdict)) + (judged.alert ? "!" : ""));
    rows.insert(judged.row);
    verdicts.insert(judged.verdict);
  }
  EXPECT_EQ(rows.size(), kDeliveryRows) << "a row without a case";
  EXPECT_EQ(verdicts.size(), kDeliveryVerdicts);
}

}  // namespace
}  // namespace flotilla::events
