#include "flotilla/journal/core/event.hpp"

#include <gtest/gtest.h>

#include "flotilla/journal/core/body.hpp"

namespace flotilla::journal {
namespace {

TEST(Event, KeepsAttributesInOrderAndData) {
  const Event event{.attributes = {{"id", "01J-3-1"}, {"source", "/sagas/place-order"}, {"subject", ""}},
                    .data = R"({"order_id":17})"};
  const auto read = decode_event(encode(event));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->attributes, event.attributes);
  EXPECT_EQ(read->data, event.data);
  EXPECT_EQ(read->attribute("source"), "/sagas/place-order");
  EXPECT_EQ(read->attribute("type"), "");
}

TEST(Event, RefusesWhatItDoesNotKnow) {
  std::string body;
  BodyWriter(body).bytes(1, "no separator");
  EXPECT_EQ(decode_event(body).error().code, Errc::invalid);
  body.clear();
  BodyWriter(body).bytes(9, "of a newer version");
  EXPECT_EQ(decode_event(body).error().code, Errc::invalid);
  Event crowded;
  for (std::size_t i = 0; i <= kMaxEventAttributes; ++i) {
    crowded.attributes.emplace_back("a" + std::to_string(i), "");
  }
  EXPECT_EQ(decode_event(encode(crowded)).error().code, Errc::limit);
}

}  // namespace
}  // namespace flotilla::journal
