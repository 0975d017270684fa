#include "flotilla/saga/core/saga_key.hpp"

#include <set>

#include <gtest/gtest.h>

namespace flotilla::saga {
namespace {

constexpr KeyMaterial kMaterial{{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL}};

TEST(SagaId, TextReadsBackAndSortsByTime) {
  Random random(1);
  SagaId before;
  for (std::int64_t ms = 1; ms < 2'000'000'000'000; ms = ms * 3 + 1) {
    const SagaId id = SagaId::make({ms * 1'000'000}, random);
    EXPECT_EQ(id.text().size(), 26U);
    EXPECT_EQ(SagaId::parse(id.text()), id);
    EXPECT_GT(id, before);
    EXPECT_EQ(id < before, id.text() < before.text());
    before = id;
  }
}

TEST(SagaId, KnownTextAndRefusals) {
  // The example of the ULID specification.
  const auto id = SagaId::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->high >> 16, 1469922850259U);
  EXPECT_EQ(SagaId::parse("01arz3ndektsv4rrffq69g5fav"), id);
  for (const char* text : {"", "01ARZ3NDEKTSV4RRFFQ69G5FA", "81ARZ3NDEKTSV4RRFFQ69G5FAV",
                           "01ARZ3NDEKTSV4RRFFQ69G5FAU", "01ARZ3NDEKTSV4RRFFQ69G5FA "}) {
    EXPECT_FALSE(SagaId::parse(text)) << text;
  }
}

TEST(SagaKey, SipHashVectors) {
  // From the reference implementation: key 00..0f, message of n bytes 00, 01, ...
  EXPECT_EQ(siphash(kMaterial, ""), 0x726fdb47dd0e0e31ULL);
  std::string message;
  for (char c = 0; c < 15; ++c) {
    message += c;
  }
  EXPECT_EQ(siphash(kMaterial, message), 0xa129ca6149be45e5ULL);
}

TEST(SagaKey, IsTheSameForEver) {
  const auto id = SagaId::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV");
  ASSERT_TRUE(id);
  const std::string key = make_key(kMaterial, {*id, 2, Op::action});
  EXPECT_EQ(key.substr(0, 34), "sg1-01ARZ3NDEKTSV4RRFFQ69G5FAV-2-a");
  EXPECT_EQ(key, "sg1-01ARZ3NDEKTSV4RRFFQ69G5FAV-2-a-7rm9462xymn1z");
}

TEST(SagaKey, ReadsBackOnlyWhatItMade) {
  Random random(7);
  std::set<std::string> keys;
  for (int step = 0; step < 64; ++step) {
    for (const Op op : {Op::action, Op::undo, Op::status}) {
      const Operation operation{SagaId::make({1'700'000'000'000'000'000}, random),
                                static_cast<std::uint8_t>(step), op};
      const std::string key = make_key(kMaterial, operation);
      EXPECT_LT(key.size(), 64U);
      EXPECT_TRUE(keys.insert(key).second);
      EXPECT_EQ(read_key(kMaterial, key), operation);
      EXPECT_FALSE(read_key({{1, 2}}, key));
      for (std::size_t at = 0; at < key.size(); ++at) {
        std::string forged = key;
        forged[at] = forged[at] == '1' ? '2' : '1';
        EXPECT_FALSE(read_key(kMaterial, forged)) << forged;
      }
    }
  }
  for (const char* text :
       {"", "sg1-", "sg1-01ARZ3NDEKTSV4RRFFQ69G5FAV", "sg1-01ARZ3NDEKTSV4RRFFQ69G5FAV-2-a"}) {
    EXPECT_FALSE(read_key(kMaterial, text)) << text;
  }
}

}  // namespace
}  // namespace flotilla::saga
