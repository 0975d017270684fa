// Ended sagas of a real store, at whatever time the test says it is.
#include "flotilla/saga/retention.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/verify.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/saga/core/builder.hpp"
#include "flotilla/saga/embedded.hpp"
#include "flotilla/saga/runner.hpp"
#include "flotilla/saga/runner_rig.hpp"

namespace flotilla::saga {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr Duration kDay = 24h;

json::Value parsed(std::string_view text) { return json::parse(text).value(); }

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() {
    std::string name = (fs::temp_directory_path() / "flotilla_retention_XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  ~RetentionTest() override {
    journal_.reset();
    fs::remove_all(root_);
  }

  // Runs an `order` for each of these, which say how it ends, and reopens the store.
  void fill(const std::vector<std::string>& ends) {
    const auto order = CodeSaga("order", 1)
                           .step("charge",
                                 [](const StepCall& call) {
                                   const std::string_view end = call.input["end"].as_string();
                                   return end == "compensated" ? Outcome::refused("no")
                                                               : Outcome::done(json::Value("receipt"));
                                 })
                           .undo([](const StepCall&) { return Outcome::done(); })
                           .step("ship", [](const StepCall&) { return Outcome::done(); })
                           .pivot();
    auto sagas = Embedded::open({.path = path(), .sagas = {order}, .threads = 1});
    ASSERT_TRUE(sagas) << sagas.error().message;
    for (const std::string& end : ends) {
      auto started = sagas->start("order", "", json::Value::object({{"end", end}}));
      ASSERT_TRUE(started) << started.error().detail;
      const auto view = sagas->wait(started->saga.id, 60s);
      ASSERT_TRUE(view && view->terminal && view->state == end) << end;
      ids_.push_back(view->id.text());
    }
    sagas->close(1s);
    open();
  }
  void open() {
    journal_ =
        journal::SqliteJournal::open({.path = path(), .vocabulary = saga_vocabulary(), .now = {}, .vfs = {}})
            .value();
  }
  Result<> sweep(Retention& retention, Duration later) {
    return loop_.ask<Result<>>([&]() -> net::Task<Result<>> {
      return retention.sweep(loop_.loop(), {begun_.ns_since_epoch + later.count()});
    });
  }
  // The states of the sagas there are.
  std::vector<std::string> left() {
    std::vector<std::string> states;
    const auto rows = loop_.ask<Result<std::vector<journal::Summary>>>(
        [&] { return journal_->list(journal::SummaryQuery{.record_class = journal::RecordClass::saga}); });
    for (const journal::Summary& row : rows.value()) {
      states.push_back(row.state);
    }
    return states;
  }
  // The lines of the archive of that moment's day.
  std::vector<json::Value> archived(Duration later) {
    const std::string day = iso_time({begun_.ns_since_epoch + later.count()}).substr(0, 10);
    const gzFile file = gzopen(ArchiveFile(folder()).path_of(day).c_str(), "rb");
    std::vector<json::Value> lines;
    std::string line(1 << 20, '\0');
    while (file != nullptr && gzgets(file, line.data(), static_cast<int>(line.size())) != nullptr) {
      lines.push_back(parsed(line.c_str()));
    }
    gzclose(file);
    return lines;
  }
  [[nodiscard]] std::string path() const { return (root_ / "sagas.db").string(); }
  [[nodiscard]] std::string folder() const { return (root_ / "archive").string(); }

  fs::path root_;
  std::vector<std::string> ids_;
  WallTime begun_ = net::wall_now();
  test::LoopThread loop_;
  std::unique_ptr<journal::SqliteJournal> journal_;
};

TEST_F(RetentionTest, KeepsCompletedAWeekAndCompensatedAMonth) {
  fill({"completed", "compensated", "completed"});
  Retention retention(*journal_, folder());
  ASSERT_TRUE(sweep(retention, 6 * kDay).has_value());
  EXPECT_THAT(left(), ElementsAre("completed", "compensated", "completed"));
  ASSERT_TRUE(sweep(retention, 8 * kDay).has_value());
  EXPECT_THAT(left(), ElementsAre("compensated"));
  const auto lines = archived(8 * kDay);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["id"].as_string(), ids_[0]);
  EXPECT_EQ(lines[1]["id"].as_string(), ids_[2]);
  EXPECT_EQ(lines[0]["state"].as_string(), "completed");
  EXPECT_EQ(lines[0]["steps"][0]["output"].as_string(), "receipt");
  EXPECT_EQ(lines[0]["timeline"][0]["input"]["end"].as_string(), "completed");
  ASSERT_TRUE(sweep(retention, 29 * kDay).has_value());
  EXPECT_THAT(left(), ElementsAre("compensated"));
  ASSERT_TRUE(sweep(retention, 31 * kDay).has_value());
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_EQ(archived(31 * kDay).size(), 1U);
  EXPECT_EQ(retention.forgotten(), 3U);
  EXPECT_EQ(retention.archived(), 3U);
  const auto report = journal::verify_store(path(), saga_vocabulary());
  ASSERT_TRUE(report.has_value());
  EXPECT_THAT(report->problems, IsEmpty());
}

TEST_F(RetentionTest, AFailedOneIsKeptForEver) {
  fill({"completed"});
  const auto row =
      loop_
          .ask<Result<std::vector<journal::Summary>>>([&] { return journal_->list(journal::SummaryQuery{}); })
          ->at(0);
  journal::Batch batch{.epoch = journal_->epoch(), .time = row.changed};
  batch.summaries.push_back({.record_class = journal::RecordClass::saga,
                             .stream = row.stream,
                             .name = row.name,
                             .state = "failed",
                             .attributes = row.attributes});
  ASSERT_TRUE(
      loop_.ask<journal::AppendResult>([&] { return journal_->append(std::move(batch)); }).has_value());
  Retention retention(*journal_, folder());
  ASSERT_TRUE(sweep(retention, 3000 * kDay).has_value());
  EXPECT_THAT(left(), ElementsAre("failed"));
}

TEST_F(RetentionTest, WhatTheFileSaysNowCounts) {
  fill({"completed", "compensated"});
  Retention retention(*journal_, "");
  const auto keeping = [](Duration completed, Duration compensated) {
    return SagaBuilder("order")
        .step(StepBuilder("s").action("GET x/y").no_undo("a test"))
        .keep_completed(completed)
        .keep_compensated(compensated)
        .build()
        .value();
  };
  retention.replace_definitions({keeping(1h, 2h)});
  ASSERT_TRUE(sweep(retention, 90min).has_value());
  EXPECT_THAT(left(), ElementsAre("compensated"));
  retention.replace_definitions({keeping(1h, 90 * kDay)});
  ASSERT_TRUE(sweep(retention, 60 * kDay).has_value());
  EXPECT_THAT(left(), ElementsAre("compensated"));
  retention.replace_definitions({});  // gone from the file: the defaults
  ASSERT_TRUE(sweep(retention, 60 * kDay).has_value());
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_EQ(retention.archived(), 0U);
  EXPECT_EQ(retention.forgotten(), 2U);
}

TEST_F(RetentionTest, WhatCannotBeArchivedStays) {
  fill({"completed"});
  std::ofstream(folder()) << "a file where the folder should be";
  Retention retention(*journal_, folder());
  const auto refused = sweep(retention, 8 * kDay);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find(folder()), std::string::npos);
  EXPECT_THAT(left(), ElementsAre("completed"));
  fs::remove(folder());
  ASSERT_TRUE(sweep(retention, 8 * kDay).has_value());
  EXPECT_THAT(left(), IsEmpty());
}

TEST_F(RetentionTest, OneThatCannotBeReadHoldsUpNoOther) {
  log::set_sink([](log::Level, std::string_view) {});
  fill({"completed", "completed"});
  journal::Batch batch{.epoch = journal_->epoch(),
                       .time = journal::UtcMillis(begun_.ns_since_epoch / 1'000'000)};
  const journal::StreamRef stream = batch.create();
  batch.appends.push_back({.record_class = journal::RecordClass::saga,
                           .stream = stream,
                           .expected = 0,
                           .records = {{.type = 1, .body = "no record", .category = {}}}});
  batch.summaries.push_back(
      {.record_class = journal::RecordClass::saga, .stream = stream, .name = "order", .state = "completed"});
  ASSERT_TRUE(
      loop_.ask<journal::AppendResult>([&] { return journal_->append(std::move(batch)); }).has_value());
  Retention retention(*journal_, folder());
  ASSERT_TRUE(sweep(retention, 8 * kDay).has_value());
  EXPECT_EQ(left().size(), 1U);
  EXPECT_EQ(archived(8 * kDay).size(), 2U);
  EXPECT_EQ(retention.unreadable(), 1U);
}

TEST_F(RetentionTest, MoreThanOnePieceGoes) {
  std::vector<std::string> ends(Retention::kAtOnce + 3, "completed");
  fill(ends);
  Retention retention(*journal_, folder());
  ASSERT_TRUE(sweep(retention, 8 * kDay).has_value());
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_EQ(archived(8 * kDay).size(), ends.size());
}

// A saga within another one, in a runner over the store.
class NestedRetentionTest : public RetentionTest {
 protected:
  NestedRetentionTest() {
    open();
    call::ServiceConfig config;
    config.name = ServiceName("shop");
    config.urls = {{"127.0.0.1", services_.port(), ""}};
    service_ = std::move(*call::Service::create(config, 1, net::monotonic_now(), 1, nullptr));
    worker_ = std::make_unique<test::Worker>(0, service_);
    const DefinitionPtr pay =
        SagaBuilder("pay").step(StepBuilder("take").pivot().action("POST shop/take")).build().value();
    const std::vector<DefinitionPtr> known{pay};
    const DefinitionPtr order = SagaBuilder("order")
                                    .step(StepBuilder("pay").saga("pay", "{}").no_undo("a test"))
                                    .step(StepBuilder("wait").signal({.signal = "go", .within = {}}))
                                    .build(known)
                                    .value();
    runner_ = Runner::open(*journal_, {.definitions = {pay, order}}).value();
    runner_->start({worker_->host()});
  }
  ~NestedRetentionTest() override { runner_.reset(); }

  // Starts an order, and waits until its child has ended.
  SagaId begin() {
    const auto started = loop_.ask<Asked<StartResult>>(
        [&] { return runner_->start({.name = "order", .principal = "test", .key = {}, .input = {}}); });
    const SagaId saga = started.value().saga.id;
    wait(saga, [](const json::Value& body) { return body["steps"][0]["state"].as_string() == "done"; });
    return saga;
  }
  void wait(SagaId saga, const std::function<bool(const json::Value&)>& for_what) {
    for (const auto until = net::monotonic_now() + test::kPatience;;) {
      const auto view = loop_.ask<Asked<SagaView>>([&] { return runner_->show(saga, false); });
      ASSERT_TRUE(view) << view.error().detail;
      if (for_what(view->body)) {
        return;
      }
      ASSERT_LT(net::monotonic_now(), until);
    }
  }
  void signal(SagaId saga) {
    const auto sent = loop_.ask<Asked<SignalResult>>(
        [&] { return runner_->signal({.saga = saga, .name = "go", .id = "1", .payload = {}}); });
    ASSERT_TRUE(sent) << sent.error().detail;
    wait(saga, [](const json::Value& body) { return body["state"].as_string() == "completed"; });
  }
  // Who holds the key under which the order's child was started.
  std::optional<journal::Holder> holder_of_child(SagaId order) {
    DefinitionShelf shelf;
    const KeyMaterial keys = SagaStore(*journal_, shelf).keys().value();
    const std::string key = make_key(keys, {.saga = order, .step = 0, .op = Op::action});
    return loop_
        .ask<Result<std::optional<journal::Holder>>>(
            [&] { return journal_->find(key_scope("pay", key), key); })
        .value();
  }

  test::Services services_;
  std::shared_ptr<call::Service> service_;
  std::unique_ptr<test::Worker> worker_;
  std::unique_ptr<Runner> runner_;
};

// If its parent asks for it again, after a crash or a person's long look, there must not be another one.
TEST_F(NestedRetentionTest, AChildIsKeptUntilItsParentHasEnded) {
  const SagaId order = begin();
  Retention retention(*journal_, folder());
  ASSERT_TRUE(sweep(retention, 40 * kDay).has_value());
  EXPECT_THAT(left(), UnorderedElementsAre("completed", "running"));
  const auto holder = holder_of_child(order);
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->expires.value(), 0) << "its key must not be free before";
  signal(order);
  ASSERT_TRUE(sweep(retention, 40 * kDay).has_value());
  EXPECT_THAT(left(), IsEmpty());
  EXPECT_FALSE(holder_of_child(order)) << "nobody asks for it any more";
  EXPECT_EQ(archived(40 * kDay).size(), 2U);
  EXPECT_EQ(services_.got("POST /take").size(), 1U);
}

TEST_F(NestedRetentionTest, AChildGoesWhenItsParentHasGone) {
  const SagaId order = begin();
  signal(order);
  Retention retention(*journal_, "");
  const auto keeping = [](std::string name, Duration completed) {
    return SagaBuilder(std::move(name))
        .step(StepBuilder("s").action("GET x/y").no_undo("a test"))
        .keep_completed(completed)
        .build()
        .value();
  };
  retention.replace_definitions({keeping("order", 1h), keeping("pay", 90 * kDay)});
  ASSERT_TRUE(sweep(retention, 2h).has_value());
  EXPECT_THAT(left(), ElementsAre("completed"));
  ASSERT_TRUE(sweep(retention, 91 * kDay).has_value());
  EXPECT_THAT(left(), IsEmpty());
  const auto report = journal::verify_store(path(), saga_vocabulary());
  ASSERT_TRUE(report.has_value());
  EXPECT_THAT(report->problems, IsEmpty());
}

}  // namespace
}  // namespace flotilla::saga
