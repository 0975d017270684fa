// Pictures and lists of transactions, over rows that a fold made.
#include "flotilla/events/correlation_api.hpp"

#include <map>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/events/core/choreography_fold.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/journal/core/event_value.hpp"
#include "flotilla/journal/memory_journal.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::events {
namespace {

// Rows in memory, folded at once.
class FoldedRows final : public InstanceRows {
 public:
  explicit FoldedRows(const std::vector<Choreography>& all) {
    for (const Choreography& each : all) {
      choreographies_.push_back(std::make_shared<const Choreography>(each));
    }
  }
  std::vector<ChoreographyPtr> choreographies() const override { return choreographies_; }
  net::Task<Asked<InstancePage>> rows(std::string choreography, InstanceQuery query) override {
    if (building) {
      co_return refuse(Reason::behind, "it is being built");
    }
    InstancePage page{.rows = {}, .at_end = true, .position = journal::ReadToken()};
    page.position.move_to(journal::Position(position));
    for (const auto& [name, value] : tables[choreography]) {
      if (name.key == query.key && (!query.after || name.row > *query.after)) {
        if (page.rows.size() == query.rows) {
          page.at_end = false;
          break;
        }
        page.rows.push_back({.name = name, .value = value});
      }
    }
    co_return page;
  }
  net::Task<Asked<Done>> await(std::string /*choreography*/, journal::Position wanted,
                               Instant /*deadline*/) override {
    if (wanted.number() > position) {
      co_return refuse(Reason::behind, "not so far");
    }
    co_return Done();
  }
  net::Task<Asked<Done>> await_more(std::string /*choreography*/, journal::ReadToken /*seen*/,
                                    Instant /*deadline*/) override {
    co_return refuse(Reason::behind, "nothing more");
  }
  std::optional<std::uint32_t> seat(std::string_view /*choreography*/) const override { return 0; }

  void publish(const std::string& topic, const std::string& id, const std::string& order, std::int64_t at_ms,
               const std::string& cause = {}) {
    journal::Event event{
        .attributes = {{"id", id}, {"source", "/t"}, {"type", topic}, {"correlationid", "k-" + order}},
        .data = fmt::format(R"({{"order":"{}"}})", order)};
    if (!cause.empty()) {
      event.attributes.emplace_back("causationid", cause);
    }
    journal::FoldInput in;
    in.data = json::parse(event.data).value();
    in.event = journal::event_value(event, in.data);
    in.topic = topic;
    in.position = journal::Position(++position);
    in.recorded_ms = at_ms;
    for (const ChoreographyPtr& each : choreographies_) {
      const ChoreographyFold fold(each, std::make_shared<ChoreographyCounters>());
      const auto place = fold.place(in);
      if (!place) {
        continue;
      }
      auto& table = tables[each->name];
      const auto row = table.find(*place);
      const auto folded =
          fold.fold(row == table.end() ? json::Value() : json::parse(row->second).value(), in);
      ASSERT_TRUE(folded);
      table.insert_or_assign(*place, folded->text);
      for (const auto& [name, value] : folded->beside) {
        if (value) {
          table.insert_or_assign(name, *value);
        } else {
          table.erase(name);
        }
      }
    }
  }

  std::map<std::string, std::map<journal::RowName, std::string>> tables;
  std::uint64_t position = 0;
  bool building = false;

 private:
  std::vector<ChoreographyPtr> choreographies_;
};

Choreography choreography(const std::string& name) {
  Choreography c;
  c.name = name;
  c.correlate = ".order";
  c.program = compile_correlate(c.correlate).value();
  c.start = "created";
  c.expect = {{"created", false, {"paid"}, std::chrono::hours(1)}};
  c.ok = {"paid"};
  return c;
}

class CorrelationApiTest : public testing::Test {
 protected:
  http::Response ask(const std::string& target, http::Fields fields = {}, const std::string& method = "GET") {
    std::optional<http::Response> answer;
    net::Scope scope;
    loop_->post([&] {
      scope.spawn([](CorrelationApiTest& test, std::string to, http::Fields with, std::string by,
                     std::optional<http::Response>& out) -> net::Task<> {
        out = co_await test.api_.handle(
            {.method = by, .target = "/v1/correlations" + to, .headers = std::move(with), .body = {}},
            net::SocketAddress());
        test.loop_->stop();
      }(*this, target, std::move(fields), method, answer));
    });
    loop_->run();
    return *answer;
  }
  json::Value get(const std::string& target) {
    const http::Response answer = ask(target);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::parse(answer.body).value_or(json::Value());
  }
  // CHOREOGRAPHY:ID of all pages.
  std::vector<std::string> listed(const std::string& query, std::size_t limit) {
    std::vector<std::string> all;
    std::string after;
    for (int pages = 0; pages < 100; ++pages) {
      const json::Value page = get(fmt::format("?{}&limit={}{}", query, limit, after));
      EXPECT_LE(page["items"].size(), limit);
      for (const json::Value& item : page["items"].items()) {
        all.push_back(fmt::format("{}:{}", item["choreography"].as_string(), item["id"].as_string()));
      }
      if (page["next"].is_null()) {
        return all;
      }
      after = "&after=";
      http::percent_encode_query_value(after, page["next"].as_string());
    }
    ADD_FAILURE() << "pages without end";
    return all;
  }

  std::int64_t now_ = net::wall_now().ns_since_epoch / 1'000'000;
  std::unique_ptr<net::Loop> loop_ = std::move(*net::Loop::create());
  journal::MemoryJournal journal_{{{journal::RecordClass::topic, journal::kEventRecord, 1, "event"}}};
  FoldedRows rows_{{choreography("a"), choreography("b")}};
  CorrelationApi api_{{.rows = rows_,
                       .journal = journal_,
                       .subscriptions = [] { return std::vector<SubscriptionPtr>(); },
                       .saga = [](std::string id) -> net::Task<json::Value> {
                         co_return id == "01ARZ3NDEKTSV4RRFFQ69G5FAV" ? json::Value::object({{"id", id}})
                                                                      : json::Value();
                       }}};
};

TEST_F(CorrelationApiTest, PutsTogetherWhatSeveralChoreographiesSay) {
  rows_.publish("created", "e1", "7", now_);
  rows_.publish("paid", "e2", "7", now_, "e1");
  const json::Value found = get("/7");
  EXPECT_EQ(found["choreographies"].size(), 2U);
  ASSERT_EQ(found["events"].size(), 2U);
  EXPECT_EQ(found["events"][1]["causationid"], json::Value("e1"));
  EXPECT_EQ(found["events"][1]["depth"], json::Value(2));
  EXPECT_EQ(found["state"], json::Value("ok"));
  EXPECT_EQ(get("/k-7")["events"], found["events"]) << "by a correlation";
}

TEST_F(CorrelationApiTest, SaysWhatIsOverdueWithoutAnybodyHavingBeenTold) {
  rows_.publish("created", "e1", "7", now_ - 2 * 3'600'000);
  rows_.publish("created", "e2", "8", now_);
  const json::Value found = get("/7");
  EXPECT_EQ(found["state"], json::Value("overdue"));
  EXPECT_EQ(found["choreographies"][0]["expected"][0]["overdue"], json::Value(true));
  EXPECT_EQ(listed("state=overdue", 10), (std::vector<std::string>{"a:7", "b:7"}));
  EXPECT_EQ(listed("state=open", 10), (std::vector<std::string>{"a:8", "b:8"}));
  EXPECT_EQ(listed("choreography=b", 10), (std::vector<std::string>{"b:7", "b:8"}));
}

TEST_F(CorrelationApiTest, ListsAllOfThemWhateverThePage) {
  for (int i = 0; i < 7; ++i) {
    rows_.publish("created", fmt::format("e{}", i), std::to_string(i),
                  now_ - (i % 3 == 0 ? 2 * 3'600'000 : 0) + i);
    if (i % 2 == 0) {
      rows_.publish("paid", fmt::format("p{}", i), std::to_string(i), now_ + i);
    }
  }
  for (const char* const query :
       {"", "state=ok", "state=open", "state=overdue", "state=undone", "choreography=a"}) {
    const std::vector<std::string> whole = listed(query, 1000);
    for (std::size_t limit = 1; limit < 9; ++limit) {
      EXPECT_EQ(listed(query, limit), whole) << query << ", pages of " << limit;
    }
  }
  EXPECT_EQ(listed("", 1000).size(), 14U);
  EXPECT_EQ(listed("state=overdue", 1000), (std::vector<std::string>{"a:3", "b:3"}));
  EXPECT_EQ(listed("state=open", 1000), (std::vector<std::string>{"a:1", "a:5", "b:1", "b:5"}));
}

TEST_F(CorrelationApiTest, ShowsASagaThatNoChoreographyKnows) {
  EXPECT_EQ(get("/01ARZ3NDEKTSV4RRFFQ69G5FAV")["sagas"].size(), 1U);
  EXPECT_EQ(ask("/01ARZ3NDEKTSV4RRFFQ69G5FAW").status, 404);
}

TEST_F(CorrelationApiTest, SaysWhatIsWrong) {
  EXPECT_EQ(ask("/7").headers.get("Flotilla-Error"), "not-found");
  EXPECT_EQ(ask("/7/8").headers.get("Flotilla-Error"), "not-found");
  EXPECT_EQ(ask("/%zz").headers.get("Flotilla-Error"), "malformed");
  EXPECT_EQ(ask("?state=bad").headers.get("Flotilla-Error"), "malformed");
  EXPECT_EQ(ask("?limit=1001").headers.get("Flotilla-Error"), "malformed");
  EXPECT_EQ(ask("?after=AAAA").headers.get("Flotilla-Error"), "malformed");
  EXPECT_EQ(ask("?choreography=c").headers.get("Flotilla-Error"), "not-found");
  EXPECT_EQ(ask("/7", {{"Read-After", "x"}}).headers.get("Flotilla-Error"), "malformed");
  EXPECT_EQ(ask("/7?wait=1h", {{"Read-After", "0-1"}}).headers.get("Flotilla-Error"), "malformed");
  EXPECT_EQ(ask("/7", {{"Read-After", "0-1"}}).headers.get("Flotilla-Error"), "behind");
  EXPECT_EQ(ask("/7", {}, "POST").status, 405);
  rows_.building = true;
  EXPECT_EQ(ask("/7").headers.get("Flotilla-Error"), "behind");
  EXPECT_EQ(ask("").headers.get("Flotilla-Error"), "behind");
}

}  // namespace
}  // namespace flotilla::events
