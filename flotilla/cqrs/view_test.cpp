// What of a view stays in memory when it goes on, and when rows expire.
#include "flotilla/cqrs/view.hpp"

#include <gtest/gtest.h>

namespace flotilla::cqrs {
namespace {

class Memory : public testing::Test {
 protected:
  static journal::ReadToken at(std::uint64_t number) {
    journal::ReadToken token;
    token.move_to(journal::Position(number));
    return token;
  }
  void serve(std::uint64_t position, std::vector<std::string> changed) {
    view_.publish({.generation = 1, .position = at(position), .changed = std::move(changed)}, version_,
                  {.begins = false, .epoch = 1});
  }
  static AnswerBody says(std::string json) {
    return std::make_shared<const Answer>(Answer{.json = std::move(json), .etag = {}});
  }
  std::string kept(std::string_view key) {
    const auto found = view_.serving()->find(key);
    return found && *found ? (*found)->json : "";
  }

  View view_{"orders"};
  ViewVersion version_{.generation = 1, .texts = {.from = {"order.created"}}};
};

TEST_F(Memory, WhatWasReadBeforeAnEventIsNotKept) {
  serve(4, {});
  serve(5, {"a"});
  view_.serving()->keep("a", says("old"), at(4));
  EXPECT_EQ(kept("a"), "");
  view_.serving()->keep("a", says("new"), at(5));
  EXPECT_EQ(kept("a"), "new");
}

TEST_F(Memory, WhatWasReadBeforeARowExpiredIsNotKept) {
  serve(5, {"a"});
  view_.serving()->keep("a", says("old"), at(5));
  EXPECT_EQ(kept("a"), "old");
  serve(5, {"a"});  // it expires, at no event
  EXPECT_EQ(kept("a"), "");
  view_.serving()->keep("a", says("old"), at(5));  // by whoever had read it before
  EXPECT_EQ(kept("a"), "");
  serve(6, {});
  view_.serving()->keep("a", says("new"), at(6));
  EXPECT_EQ(kept("a"), "new");
}

}  // namespace
}  // namespace flotilla::cqrs
