// What every journal that keeps rows of folds must do. Run against the memory journal, the embedded store and
// the shared one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/journal/test_stores.hpp"
#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal {
namespace {

using test::append;
using test::at;
using testing::ElementsAre;
using testing::IsEmpty;

FoldRowPut put(std::uint64_t table, std::string key, std::string row, std::optional<std::string> value) {
  return {table, {std::move(key), std::move(row)}, std::move(value)};
}

class FoldRows : public testing::TestWithParam<test::Store> {
 protected:
  test::Place place_;
  std::unique_ptr<Journal> owner_ = GetParam().open(place_);
  Journal& journal_ = *owner_;  // not to be used where there is none

  void SetUp() override {
    if (owner_ == nullptr) {
      GTEST_SKIP() << "no PostgreSQL";
    }
  }
  AppendResult save(std::vector<FoldRowPut> rows, std::uint64_t position) {
    Batch batch = at(journal_);
    batch.rows = std::move(rows);
    batch.cursors.push_back({"v", RecordClass::topic, "t", Position(position), {}});
    return append(journal_, std::move(batch));
  }
  RowPage rows(RowQuery query) {
    query.cursor = "v";
    return test::answer<Result<RowPage>>([&](auto done) { journal_.rows(std::move(query), std::move(done)); })
        .value();
  }
  RowValues named(RowsByName query) {
    return test::answer<Result<RowValues>>(
               [&](auto done) { journal_.rows(std::move(query), std::move(done)); })
        .value();
  }
  static std::vector<std::string> shown(const RowPage& page) {
    std::vector<std::string> all;
    for (const FoldRow& row : page.rows) {
      all.push_back(row.name.key + "/" + row.name.row + "=" + row.value);
    }
    return all;
  }
};

TEST_P(FoldRows, RowsAndTheirCursorAreChangedTogether) {
  EXPECT_FALSE(rows({.table = 1}).position.has_value());
  ASSERT_TRUE(save({put(1, "a", "", "1"), put(1, "b", "x", "2"), put(2, "a", "", "other")}, 3).has_value());
  RowPage page = rows({.table = 1});
  EXPECT_THAT(shown(page), ElementsAre("a/=1", "b/x=2"));
  EXPECT_EQ(page.position, Position(3));
  EXPECT_TRUE(page.at_end);
  ASSERT_TRUE(
      save({put(1, "a", "", std::nullopt), put(1, "b", "x", "3"), put(1, "b", "", "4")}, 5).has_value());
  page = rows({.table = 1});
  EXPECT_THAT(shown(page), ElementsAre("b/=4", "b/x=3"));
  EXPECT_EQ(page.position, Position(5));
  Batch stale = at(journal_);
  stale.epoch += 1;
  stale.rows.push_back(put(1, "b", "x", "never"));
  ASSERT_FALSE(append(journal_, std::move(stale)).has_value());
  EXPECT_THAT(shown(rows({.table = 1})), ElementsAre("b/=4", "b/x=3"));
}

TEST_P(FoldRows, RowsComeInPagesByKeyAndName) {
  const std::string zero("n\0", 2);
  ASSERT_TRUE(save({put(1, "a", "1", "v"), put(1, "a", "2", "v"), put(1, "ab", "", "v"),
                    put(1, "b", "n", "v"), put(1, "b", zero, "v"), put(1, "", "", "v")},
                   1)
                  .has_value());
  std::vector<std::string> all;
  std::optional<RowName> after;
  for (int i = 0; i < 10; ++i) {
    const RowPage page = rows({.table = 1, .after = after, .rows = 2});
    for (const std::string& row : shown(page)) {
      all.push_back(row);
    }
    if (page.at_end) {
      break;
    }
    after = page.rows.back().name;
  }
  EXPECT_THAT(all, ElementsAre("/=v", "a/1=v", "a/2=v", "ab/=v", "b/n=v", "b/" + zero + "=v"));
  EXPECT_THAT(shown(rows({.table = 1, .key = "a"})), ElementsAre("a/1=v", "a/2=v"));
  EXPECT_THAT(shown(rows({.table = 1, .key = "a", .after = RowName{"a", "1"}})), ElementsAre("a/2=v"));
  EXPECT_THAT(shown(rows({.table = 1, .key = ""})), ElementsAre("/=v"));
  EXPECT_THAT(shown(rows({.table = 9})), IsEmpty());
  const RowPage small = rows({.table = 1, .bytes = 0});
  EXPECT_EQ(small.rows.size(), 1U);
  EXPECT_FALSE(small.at_end);
}

TEST_P(FoldRows, RowsAreFoundByNameAndForgotten) {
  ASSERT_TRUE(save({put(1, "a", "", "long one"), put(1, "b", "", "2")}, 1).has_value());
  EXPECT_EQ(named({.table = 1, .names = {{"b", ""}, {"c", ""}, {"a", ""}}}),
            (RowValues{"2", std::nullopt, "long one"}));
  EXPECT_EQ(named({.table = 1, .names = {{"b", ""}, {"a", ""}}, .bytes = 3}), (RowValues{"2"}));
  const auto forget = [&] {
    return test::answer<Result<std::int64_t>>([&](auto done) { journal_.forget_rows(1, std::move(done)); })
        .value();
  };
  EXPECT_EQ(forget(), 2);
  EXPECT_EQ(forget(), 0);
  EXPECT_THAT(shown(rows({.table = 1})), IsEmpty());
  EXPECT_EQ(rows({.table = 1}).position, Position(1));
}

INSTANTIATE_TEST_SUITE_P(All, FoldRows,
                         testing::Values(test::Store{"memory", test::open_memory},
                                         test::Store{"sqlite", test::open_sqlite},
                                         test::Store{"postgres", test::open_postgres}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace flotilla::journal
