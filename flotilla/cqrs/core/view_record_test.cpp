#include "flotilla/cqrs/core/view_record.hpp"

#include <gtest/gtest.h>

namespace flotilla::cqrs {
namespace {

ViewDefinitionPtr view(const std::string& fold) {
  return compile_view("orders", {.from = {"a", "b"}, .key = ".k", .row = ".r", .fold = fold}).value();
}

ViewRecord built(const ViewDefinition& definition) { return flip(adopt({}, definition, false, false)); }

TEST(ViewRecord, IsKeptAsItIs) {
  ViewRecord record = built(*view(".a"));
  record = adopt(record, *view(".b"), true, false);
  record.doomed = {7, 9};
  EXPECT_EQ(decode_view_record(encode(record)).value(), record);
  EXPECT_EQ(decode_view_record(encode(ViewRecord{})).value(), ViewRecord{});
  Checkpoint checkpoint{.position = journal::ReadToken(1), .events = 5, .rows = 3};
  checkpoint.position.move_to(journal::Position(12));
  EXPECT_EQ(decode_checkpoint(journal::Position(12), encode(checkpoint), 1).value(), checkpoint);
  checkpoint.position = journal::ReadToken::parse("3-12.63-4", 64).value();
  EXPECT_EQ(decode_checkpoint(journal::Position(), encode(checkpoint), 64).value(), checkpoint);
  EXPECT_EQ(decode_checkpoint(journal::Position(), encode(checkpoint), 4).error().code, Errc::invalid);
}

TEST(ViewRecord, ADamagedOneIsRefused) {
  EXPECT_EQ(decode_view_record("\xff").error().code, Errc::invalid);
  EXPECT_EQ(decode_view_record(std::string("\x7e\x01", 2)).error().code, Errc::invalid);  // tag 63
  EXPECT_EQ(decode_checkpoint(journal::Position(1), std::string("\x7e\x01", 2), 1).error().code,
            Errc::invalid);
}

TEST(ViewRecord, ANewViewIsBuiltAndThenRead) {
  const auto wanted = view(".a");
  const ViewRecord begun = adopt({}, *wanted, false, false);
  ASSERT_TRUE(begun.building.has_value());
  EXPECT_EQ(begun.building->generation, 1U);
  EXPECT_EQ(begun.building->hash, wanted->hash);
  EXPECT_EQ(begun.next, 2U);
  EXPECT_EQ(adopt(begun, *wanted, false, true), begun);  // after a restart it is built on
  const ViewRecord read = flip(begun);
  EXPECT_EQ(read.live, begun.building);
  EXPECT_FALSE(read.building.has_value());
  EXPECT_EQ(adopt(read, *wanted, true, false), read);
}

TEST(ViewRecord, AnotherFoldIsBuiltBesideTheOneThatIsRead) {
  const ViewRecord first = built(*view(".a"));
  const ViewRecord second = adopt(first, *view(".b"), true, false);
  EXPECT_EQ(second.live, first.live);
  EXPECT_EQ(second.building->generation, 2U);
  const ViewRecord third = adopt(second, *view(".c"), true, true);  // the file changed again meanwhile
  EXPECT_EQ(third.doomed, std::vector<Generation>{2});
  EXPECT_EQ(third.building->generation, 3U);
  const ViewRecord back = adopt(third, *view(".a"), true, true);  // and back
  EXPECT_FALSE(back.building.has_value());
  EXPECT_EQ(back.doomed, (std::vector<Generation>{2, 3}));
  const ViewRecord flipped = flip(third);
  EXPECT_EQ(flipped.live->generation, 3U);
  EXPECT_EQ(flipped.doomed, (std::vector<Generation>{2, 1}));
  EXPECT_EQ(without_doomed(flipped, 2).doomed, std::vector<Generation>{1});
}

TEST(ViewRecord, IsBuiltAnewOnDemandAndAfterALoss) {
  const auto wanted = view(".a");
  const ViewRecord first = built(*wanted);
  const ViewRecord asked = rebuild(first, *wanted);
  EXPECT_EQ(asked.live, first.live);
  EXPECT_EQ(asked.building->generation, 2U);
  EXPECT_EQ(adopt(asked, *wanted, true, true), asked);  // a restart goes on with it
  const ViewRecord lost = adopt(first, *wanted, false, false);
  EXPECT_FALSE(lost.live.has_value());
  EXPECT_EQ(lost.building->generation, 2U);
  EXPECT_EQ(lost.doomed, std::vector<Generation>{1});
}

TEST(ViewRecord, EachVersionHasItsOwnPlaces) {
  EXPECT_EQ(record_cursor("orders"), "view/orders");
  EXPECT_EQ(checkpoint_cursor("orders", 2, "a"), "view/orders/2/a");
  EXPECT_EQ(rows_table("orders", 2), rows_table("orders", 2));
  EXPECT_NE(rows_table("orders", 2), rows_table("orders", 3));
  EXPECT_NE(rows_table("orders", 2), rows_table("users", 2));
  EXPECT_LT(rows_table("orders", 2), std::uint64_t{1} << 63);
}

}  // namespace
}  // namespace flotilla::cqrs
