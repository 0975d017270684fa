#include "flotilla/journal/core/event_value.hpp"

#include <gtest/gtest.h>

#include "flotilla/json/writer.hpp"

namespace flotilla::journal {
namespace {

TEST(EventValue, HasTheAttributesAndTheData) {
  const Event event{.attributes = {{"id", "7"}, {"type", "order.created"}}, .data = "{\"n\":1}"};
  EXPECT_EQ(json::write(event_value(event, json::Value::object({{"n", 1}}))),
            R"({"id":"7","type":"order.created","data":{"n":1}})");
  EXPECT_EQ(json::write(event_value({}, {})), R"({"data":null})");
}

}  // namespace
}  // namespace flotilla::journal
