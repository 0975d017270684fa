// Every historical form of an event, and the newest one that a fold sees of it.
#include "flotilla/cqrs/core/upcast.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/cqrs/core/expression_aggregate.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

using testing::HasSubstr;

// Form 2 has cents in place of a price, form 3 a list of items in place of one.
Upcasts shop() {
  Upcasts all;
  for (const char* text :
       {"del(.price) + {cents: (.price * 100)}", "del(.item) + {items: [.item], by: $event.source}"}) {
    all["order.created"].push_back(expression_upcast(*compile_upcast(text)));
  }
  return all;
}

EventValues event(const std::string& type, const std::string& form, const std::string& data) {
  EventValues values{.data = *json::parse(data),
                     .event = json::Value::object({{"type", type}, {"source", "/x"}})};
  if (!form.empty()) {
    values.event.set(kDataVersion, form);
  }
  values.event.set("data", values.data);
  return values;
}

TEST(Upcast, BringsEveryFormToTheNewest) {
  constexpr const char* kNewest = R"({"id":"o","cents":300,"items":["pot"],"by":"/x"})";
  struct {
    const char* form;
    const char* data;
  } const golden[] = {
      {"", R"({"id":"o","item":"pot","price":3})"},
      {"1", R"({"id":"o","item":"pot","price":3})"},
      {"2", R"({"id":"o","item":"pot","cents":300})"},
      {"3", R"({"id":"o","cents":300,"items":["pot"],"by":"/x"})"},
  };
  for (const auto& each : golden) {
    EventValues values = event("order.created", each.form, each.data);
    ASSERT_TRUE(bring_up(shop(), values).has_value()) << each.form;
    EXPECT_EQ(json::write(values.data), kNewest);
    EXPECT_EQ(json::write(values.event["data"]), kNewest);
  }
  EXPECT_EQ(newest_form(shop(), "order.created"), 3U);
  EXPECT_EQ(newest_form(shop(), "order.paid"), 1U);
}

TEST(Upcast, LeavesOtherTypesAsTheyAre) {
  EventValues values = event("order.paid", "", R"({"price":1})");
  ASSERT_TRUE(bring_up(shop(), values).has_value());
  EXPECT_EQ(json::write(values.data), R"({"price":1})");
}

TEST(Upcast, SaysWhatItDoesNotKnowAndWhatFails) {
  for (const char* form : {"4", "0", "x", "-1"}) {
    EventValues values = event("order.created", form, "{}");
    EXPECT_THAT(bring_up(shop(), values).error(), HasSubstr("the file knows forms 1 to 3")) << form;
  }
  EventValues values = event("order.created", "", R"({"price":[]})");
  EXPECT_THAT(bring_up(shop(), values).error(), HasSubstr("upcast of form 1: "));
  EventValues later = event("order.paid", "2", "{}");
  EXPECT_THAT(bring_up(shop(), later).error(), HasSubstr("a newer file wrote it"));
}

}  // namespace
}  // namespace flotilla::cqrs
