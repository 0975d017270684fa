#include "flotilla/cqrs/core/row_fold.hpp"

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"

namespace flotilla::cqrs {
namespace {

ViewDefinitionPtr view(ViewTexts texts) { return compile_view("v", std::move(texts)).value(); }

EventValues event(const std::string& data, const std::string& type = "order.created") {
  return read_values({.attributes = {{"id", "e1"}, {"type", type}}, .data = data}).value();
}

const ViewTexts kOrders{.from = {"order.created"},
                        .key = ".user_id",
                        .row = ".order_id",
                        .fold = "(. // {}) + $data + {status: $event.type}"};

TEST(RowFold, AnEventBelongsToAKeyAndARow) {
  const auto orders = view(kOrders);
  const auto place = place_of(*orders, event(R"({"user_id":42,"order_id":"a"})")).value();
  EXPECT_EQ(place, (journal::RowName{"42", "a"}));
  ViewTexts whole = kOrders;
  whole.row.clear();
  EXPECT_EQ(place_of(*view(whole), event(R"({"user_id":true})")).value(), (journal::RowName{"true", ""}));
}

TEST(RowFold, WithoutKeyOrRowItIsOfNoConcern) {
  const auto orders = view(kOrders);
  EXPECT_EQ(place_of(*orders, event(R"({"order_id":"a"})")).value(), std::nullopt);
  EXPECT_EQ(place_of(*orders, event(R"({"user_id":"u"})")).value(), std::nullopt);
  EXPECT_EQ(place_of(*orders, event(R"({"user_id":"","order_id":"a"})")).value(), std::nullopt);
  EXPECT_EQ(place_of(*orders, event("")).value(), std::nullopt);
}

TEST(RowFold, WhatCannotBeAKeyIsAnError) {
  const auto orders = view(kOrders);
  EXPECT_EQ(place_of(*orders, event(R"({"user_id":[1],"order_id":"a"})")).error(),
            "key: it gives an array, and must give text, a number, a boolean, or null");
  EXPECT_EQ(place_of(*orders, event("7")).error().substr(0, 5), "key: ");
  const std::string longest(512, 'k');
  EXPECT_TRUE(place_of(*orders, event("{\"user_id\":\"" + longest + "\",\"order_id\":1}")).has_value());
  EXPECT_EQ(place_of(*orders, event("{\"user_id\":\"" + longest + "k\",\"order_id\":1}")).error(),
            "key: it gives 513 bytes, the limit is 512");
}

TEST(RowFold, FoldsTheRowSoFar) {
  const auto orders = view(kOrders);
  const auto first = fold_row(*orders, {}, event(R"({"user_id":1,"order_id":2,"total":1.10})")).value();
  EXPECT_EQ(first.text, R"({"user_id":1,"order_id":2,"total":1.10,"status":"order.created"})");
  const auto second =
      fold_row(*orders, first.row, event(R"({"user_id":1,"order_id":2})", "payment.success")).value();
  EXPECT_EQ(second.text, R"({"user_id":1,"order_id":2,"total":1.10,"status":"payment.success"})");
}

TEST(RowFold, NullRemovesARow) {
  ViewTexts texts = kOrders;
  texts.fold = "if $event.type == \"order.forgotten\" then null else $data end";
  const auto folded = fold_row(*view(texts), json::Value(1), event("{}", "order.forgotten")).value();
  EXPECT_TRUE(folded.row.is_null());
  EXPECT_EQ(folded.text, "");
}

TEST(RowFold, AFoldThatFailsSaysWhy) {
  ViewTexts texts = kOrders;
  texts.fold = "$data.n + .n";
  EXPECT_EQ(fold_row(*view(texts), json::Value("text"), event(R"({"n":1})")).error().substr(0, 6), "fold: ");
  texts.fold = "[range(200000)]";
  EXPECT_FALSE(fold_row(*view(texts), {}, event("{}")).has_value());
  EXPECT_EQ(read_values({.attributes = {}, .data = "{"}).error().substr(0, 21), "the data is not JSON:");
}

TEST(ViewDefinition, IsKnownByWhatDecidesAboutRows) {
  const auto orders = view(kOrders);
  EXPECT_EQ(orders->hash.size(), 16U);
  EXPECT_EQ(compile_view("other", kOrders).value()->hash, orders->hash);
  ViewTexts more = kOrders;
  more.from = {"b", "order.created"};
  ViewTexts turned = more;
  std::swap(turned.from[0], turned.from[1]);
  EXPECT_NE(view(more)->hash, orders->hash);
  EXPECT_EQ(view(more)->hash, view(turned)->hash);
  for (std::string ViewTexts::* member : {&ViewTexts::key, &ViewTexts::row, &ViewTexts::fold}) {
    ViewTexts other = kOrders;
    other.*member = ".id";
    EXPECT_NE(view(other)->hash, orders->hash);
  }
}

TEST(ViewDefinition, RefusesWhatItCannotFold) {
  ViewTexts texts = kOrders;
  texts.fold = "$nothing";
  EXPECT_EQ(compile_view("v", texts).error().message.substr(0, 6), "fold: ");
  texts = kOrders;
  texts.key = "$data";  // of folds alone
  EXPECT_EQ(compile_view("v", texts).error().message.substr(0, 5), "key: ");
  texts = kOrders;
  texts.row = "(";
  EXPECT_EQ(compile_view("v", texts).error().message.substr(0, 5), "row: ");
  texts.from.clear();
  EXPECT_EQ(compile_view("v", texts).error().code, Errc::limit);
}

}  // namespace
}  // namespace flotilla::cqrs
