// Runs the golden table testdata/verdicts.txt; its grammar is at its head.
#include "flotilla/saga/core/verdict.hpp"

#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "flotilla/base/text.hpp"

namespace flotilla::saga {
namespace {

struct Case {
  AnswerHead answer;
  VerdictRules rules;
  std::vector<StatusOutcome> outcomes;
  std::string outcome_header;
  bool after_unknown = false;
};

void apply_word(Case& c, const std::string& word) {
  if (word == "platform") {
    c.answer.from_platform = true;
  } else if (word == "nothing-sent") {
    c.answer.marked_not_sent = true;
  } else if (word == "retry-after") {
    c.answer.retry_after = std::chrono::seconds(2);
  } else if (word == "outstanding") {
    c.answer.problem_type = "urn:flotilla:outstanding";
  } else if (word == "key-reused") {
    c.answer.problem_type = "urn:flotilla:key-reused";
  } else if (word == "202-ok") {
    c.rules.accept_202 = true;
  } else if (word == "404-ok") {
    c.rules.undo_404_ok = true;
  } else if (word == "replays") {
    c.rules.replays_answers = true;
  } else if (word == "after-unknown") {
    c.after_unknown = true;
  } else if (word.starts_with("outcome=")) {
    c.outcome_header = word.substr(8);
  } else if (word.starts_with("is=")) {
    const auto verdict = parse_verdict(word.substr(3));
    ASSERT_TRUE(verdict) << word;
    c.outcomes.push_back({c.answer.status, *verdict});
  } else {
    FAIL() << "unknown word +" << word;
  }
}

std::string shown(const Judgement& judgement) {
  return std::string(to_string(judgement.verdict)) + (judgement.settled ? "!" : "");
}

TEST(Verdict, TheTableHolds) {
  std::ifstream file(FLOTILLA_SOURCE_DIR "/flotilla/saga/testdata/verdicts.txt");
  std::set<VerdictRow> action_rows;
  std::set<VerdictRow> undo_rows;
  int cases = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') {
      continue;
    }
    SCOPED_TRACE(line);
    ++cases;
    std::istringstream words(line);
    std::string word;
    words >> word;
    Case c;
    c.answer.kind = word == "not-sent" ? AnswerHead::Kind::not_sent
                    : word == "lost"   ? AnswerHead::Kind::lost
                                       : AnswerHead::Kind::status;
    c.answer.status = parse_int<std::uint16_t>(word).value_or(0);
    while (words >> word && word[0] == '+') {
      apply_word(c, word.substr(1));
    }
    c.answer.outcome = c.outcome_header;
    c.rules.outcomes = c.outcomes;
    const Judgement action = judge(c.answer, Op::action, c.rules, c.after_unknown);
    const Judgement undo = judge(c.answer, Op::undo, c.rules, c.after_unknown);
    EXPECT_EQ(word, to_string(action.row));
    words >> word;
    EXPECT_EQ(word, shown(action));
    words >> word;
    if (word == "=") {  // the undo's row differs
      words >> word;
      EXPECT_EQ(word, to_string(undo.row));
      words >> word;
    } else {
      EXPECT_EQ(undo.row, action.row);
    }
    EXPECT_EQ(word, shown(undo));
    EXPECT_EQ(action.alert, action.row == VerdictRow::unauthorized);
    action_rows.insert(action.row);
    undo_rows.insert(undo.row);
  }
  EXPECT_GT(cases, 80);
  EXPECT_EQ(action_rows.size(), kVerdictRows) << "a row without a case";
  EXPECT_EQ(undo_rows.size(), kVerdictRows - 1) << "a row without a case";  // overrides are the action's
}

TEST(Verdict, ANullUndoIsAnUndoOnly) {
  const AnswerHead answer{.kind = AnswerHead::Kind::status, .status = 200, .outcome = "null-undo"};
  const Judgement undo = judge(answer, Op::undo, {}, false);
  EXPECT_EQ(undo.verdict, Verdict::ok);
  EXPECT_TRUE(undo.null_undo);
  const Judgement action = judge(answer, Op::action, {}, false);
  EXPECT_EQ(action.row, VerdictRow::success);
  EXPECT_FALSE(action.null_undo);
}

TEST(Verdict, AStatusQueryIsNotWeighedAgainstItsOwnPast) {
  const AnswerHead answer{.kind = AnswerHead::Kind::status, .status = 404};
  EXPECT_EQ(judge(answer, Op::status, {}, true).verdict, Verdict::refused);
}

TEST(Verdict, NamesReadBack) {
  for (std::size_t i = 0; i < kVerdicts; ++i) {
    EXPECT_EQ(parse_verdict(to_string(static_cast<Verdict>(i))), static_cast<Verdict>(i));
  }
  EXPECT_FALSE(parse_verdict("maybe"));
}

}  // namespace
}  // namespace flotilla::saga
