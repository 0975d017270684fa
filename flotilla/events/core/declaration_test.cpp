#include "flotilla/events/core/declaration.hpp"

#include <gtest/gtest.h>

namespace flotilla::events {
namespace {

Declaration mail() { return {.name = "mail", .text = "{}", .start = "0-7", .who = "ann", .why = "x"}; }

TEST(Declaration, IsReadAsItWasWritten) {
  Declaration empty{
      .state = DeclarationState::forgotten, .name = "a", .text = {}, .start = {}, .who = {}, .why = {}};
  for (const Declaration& each : {mail(), empty}) {
    const auto read = decode_declaration(encode(each));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, each);
  }
  EXPECT_EQ(decode_declaration("\x02\x04").error().code, Errc::unsupported);  // state 4
  EXPECT_EQ(decode_declaration("\x40\x01").error().code, Errc::unsupported);  // tag 32
  EXPECT_EQ(decode_declaration("\x02").error().code, Errc::invalid);
}

TEST(Declaration, ClaimsItsNameAndLetsGoOfItInTheEnd) {
  journal::Batch first;
  first.time = journal::UtcMillis(1000);
  add_declaration(first, mail(), std::nullopt, 0);
  ASSERT_EQ(first.claims.size(), 1U);
  EXPECT_EQ(first.claims[0].key, "mail");
  ASSERT_EQ(first.summaries.size(), 1U);
  EXPECT_EQ(first.summaries[0].state, "declared");
  EXPECT_EQ(read_declaration_row(first.summaries[0].attributes)->version, 1U);
  journal::Vocabulary known;
  known.add(declaration_record_types());
  EXPECT_FALSE(check(first, known));

  journal::Batch last;
  last.time = journal::UtcMillis(2000);
  Declaration gone = mail();
  gone.state = DeclarationState::forgotten;
  add_declaration(last, gone, journal::StreamId(9), 2);
  EXPECT_TRUE(last.claims.empty());
  ASSERT_EQ(last.expiries.size(), 1U);
  EXPECT_EQ(last.expiries[0].expires, last.time);
  EXPECT_EQ(last.appends[0].expected, 2U);
}

TEST(Declaration, DamagedRowsAreRefused) {
  EXPECT_FALSE(read_declaration_row(""));
  EXPECT_FALSE(read_declaration_row(R"({"name":"a"})"));
  EXPECT_FALSE(read_declaration_row(R"({"version":1})"));
}

}  // namespace
}  // namespace flotilla::events
