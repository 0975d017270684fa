// Views whose fold is C++: rows beside a row, what is kept long enough, other texts, crashes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/cqrs/view_rig.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

using test::json_of;
using test::Rig;

// Counts the events of each user in steps of what its text says; beside the count stands where it is found by
// it.
class CountFold final : public journal::EventFold {
 public:
  explicit CountFold(std::int64_t step) : step_(step) {}
  std::optional<journal::RowName> place(const journal::FoldInput& in) const override {
    const json::Value& user = in.data["user"];
    return journal::RowName{.key = user.is_string() ? std::string(user.as_string()) : in.topic, .row = {}};
  }
  std::expected<journal::Folded, std::string> fold(const json::Value& so_far,
                                                   const journal::FoldInput& in) const override {
    return made(so_far.as_int().value_or(0), so_far.as_int().value_or(0) + step_, place(in)->key);
  }
  std::optional<journal::Folded> expire(const json::Value& row, std::int64_t now_ms) const override {
    const std::int64_t count = row.as_int().value_or(0);
    return count <= now_ms ? std::optional(made(count, 0, "ann")) : std::nullopt;
  }
  Result<std::shared_ptr<const journal::EventFold>> remake(const std::string& text) const override {
    if (text != "1" && text != "10") {
      return fail(Errc::invalid, "no number");
    }
    return std::make_shared<const CountFold>(text == "1" ? 1 : 10);
  }

 private:
  static journal::Folded made(std::int64_t before, std::int64_t count, const std::string& user) {
    journal::Folded out;
    if (count != 0) {
      out.row = json::Value(count);
      out.text = json::write(out.row);
      out.beside.emplace_back(journal::RowName{.key = "by", .row = fmt::format("{:03}/{}", count, user)},
                              "1");
    }
    if (before != 0) {
      out.beside.emplace_back(journal::RowName{.key = "by", .row = fmt::format("{:03}/{}", before, user)},
                              std::nullopt);
    }
    return out;
  }
  std::int64_t step_;
};

std::vector<ViewDefinitionPtr> counting(const std::string& text) {
  return {native_view("counts", {"t"}, text, CountFold(1).remake(text).value())};
}

class NativeViews : public testing::Test {
 protected:
  void begin(const std::string& text) {
    rig_.runner = std::make_unique<ViewRunner>(rig_.journal);
    rig_.reader = std::make_unique<ViewReader>(*rig_.runner);
    rig_.runner->start(counting(text), {rig_.loop.get()});
  }
  // The names beside the counts.
  net::Task<std::string> beside() {
    const ServingPtr serving = rig_.runner->find("counts")->serving();
    const auto page = co_await rig_.journal.rows(journal::RowQuery{.table = serving->table(), .key = "by"});
    std::string all;
    for (const journal::FoldRow& row : page->rows) {
      all += row.name.row + " ";
    }
    co_return all;
  }
  std::string user(const std::string& name) { return "{\"user\":\"" + name + "\"}"; }

  Rig rig_;
};

TEST_F(NativeViews, FoldRowsAndThoseBesideThem) {
  rig_.run([&]() -> net::Task<> {
    begin("1");
    for (int i = 0; i < 3; ++i) {
      rig_.publish("t", user("ann"));
      rig_.publish("t", user("bob"));
      rig_.crash();  // with whatever is under way
      begin("1");
    }
    rig_.publish("t", user("bob"));
    rig_.publish("t", "not JSON");  // it has happened
    EXPECT_EQ((co_await rig_.fresh("counts/ann")).body, "3");
    EXPECT_EQ((co_await rig_.fresh("counts/bob")).body, "4");
    EXPECT_EQ((co_await rig_.fresh("counts/t")).body, "1");
    EXPECT_EQ(co_await beside(), "001/t 003/ann 004/bob ");
    const auto shown = json_of(co_await rig_.operate("GET", "/counts"));
    EXPECT_EQ(shown["rows"], json::Value(3)) << "those beside are not counted";
    EXPECT_EQ(shown["events"], json::Value(8));
  });
}

TEST_F(NativeViews, ForgetWhatTheirFoldSaysIsOld) {
  rig_.run([&]() -> net::Task<> {
    begin("1");
    rig_.publish("t", user("ann"));
    rig_.publish("t", user("ann"));
    EXPECT_EQ((co_await rig_.fresh("counts/ann")).body, "2");
    const auto expire = [&](std::int64_t now, Generation generation) {
      rig_.runner->expire("counts",
                          {.generation = generation, .names = {{"ann", ""}, {"nobody", ""}}, .now_ms = now});
    };
    expire(1, 1);   // it is not old enough
    expire(99, 7);  // of another version
    expire(2, 1);
    for (int i = 0; i < 30'000 && !(co_await beside()).empty(); ++i) {
      co_await net::sleep_for(*rig_.loop, std::chrono::milliseconds(1));
      expire(2, 1);  // one that came in between was passed over
    }
    EXPECT_EQ(co_await beside(), "");
    rig_.publish("t", user("ann"));
    EXPECT_EQ((co_await rig_.fresh("counts/ann")).body, "1") << "it begins anew";
    EXPECT_EQ(co_await beside(), "001/ann ");
    const auto shown = json_of(co_await rig_.operate("GET", "/counts"));
    EXPECT_EQ(shown["rows"], json::Value(1));
    EXPECT_EQ(shown["events"], json::Value(3)) << "nothing was folded by forgetting";
    rig_.crash();
    begin("1");
    EXPECT_EQ((co_await rig_.fresh("counts/ann")).body, "1");
  });
}

TEST_F(NativeViews, AreBuiltBesideByAnotherText) {
  rig_.run([&]() -> net::Task<> {
    begin("1");
    for (int i = 0; i < 200; ++i) {
      rig_.publish("t", user("ann"));
    }
    EXPECT_EQ((co_await rig_.fresh("counts/ann")).body, "200");
    rig_.crash();
    begin("10");  // the old one is made again from its text, and read until the new one is whole
    std::string last;
    co_await rig_.until([&] {
      const ServingPtr serving = rig_.runner->find("counts")->serving();
      return serving && serving->generation() == 2;
    });
    EXPECT_EQ((co_await rig_.fresh("counts/ann")).body, "2000");
    EXPECT_EQ(co_await beside(), "2000/ann ");
  });
}

}  // namespace
}  // namespace flotilla::cqrs
