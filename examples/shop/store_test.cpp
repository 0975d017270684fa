#include "store.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace shop {
namespace {

using flotilla::json::Value;

class StoreFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ =
        testing::TempDir() + "shop_store_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove(path_);
  }
  void TearDown() override { std::filesystem::remove(path_); }
  void append(std::string_view text) { std::ofstream(path_, std::ios::app) << text; }
  std::string path_;
};

TEST_F(StoreFile, KeepsCommittedRowsOverARestart) {
  {
    auto store = Store::open(path_);
    ASSERT_TRUE(store.has_value());
    store->put("orders", "o-1", Value::object({{"user_id", "123"}}));
    store->put("orders", "o-2", Value::object({{"user_id", "124"}}));
    store->erase("orders", "o-2");
    EXPECT_EQ(store->next_number(), 1);
    ASSERT_TRUE(store->commit().has_value());
    store->put("orders", "o-3", Value::object({{"user_id", "123"}}));  // never committed
  }
  auto store = Store::open(path_);
  ASSERT_TRUE(store.has_value());
  EXPECT_NE(store->find("orders", "o-1"), nullptr);
  EXPECT_EQ(store->find("orders", "o-2"), nullptr);
  EXPECT_EQ(store->find("orders", "o-3"), nullptr);
  EXPECT_EQ(store->next_number(), 2);
}

TEST_F(StoreFile, DropsALineThatACrashCutOff) {
  append("[[\"t\",\"1\",true]]\n[[\"t\",\"2\",tr");
  auto store = Store::open(path_);
  ASSERT_TRUE(store.has_value());
  EXPECT_NE(store->find("t", "1"), nullptr);
  EXPECT_EQ(store->find("t", "2"), nullptr);
}

TEST_F(StoreFile, RefusesAFileThatIsNoJournal) {
  append("[[\"t\",\"1\",true]]\nhello\n");
  const auto store = Store::open(path_);
  ASSERT_FALSE(store.has_value());
  EXPECT_NE(store.error().message.find("line 2"), std::string::npos) << store.error().message;
}

TEST(Store, ForgetsTheOldestRowAtItsLimitAndListsNewestFirst) {
  auto store = Store::open("");
  ASSERT_TRUE(store.has_value());
  for (std::size_t i = 0; i <= Store::kMostRows; ++i) {
    store->put("t", std::to_string(i), Value::object({{"k", "v"}, {"n", i}}));
  }
  EXPECT_EQ(store->find("t", "0"), nullptr);
  EXPECT_NE(store->find("t", "1"), nullptr);
  const Value newest = store->newest("t", "k", "v", 2);
  ASSERT_EQ(newest.size(), 2U);
  EXPECT_EQ(newest[0]["n"], Value(Store::kMostRows));
  EXPECT_EQ(newest[1]["n"], Value(Store::kMostRows - 1));
}

}  // namespace
}  // namespace shop
