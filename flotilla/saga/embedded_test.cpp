// Sagas of functions, over a real file.
#include "flotilla/saga/embedded.hpp"

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::saga {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPatience = 60s;  // a bound for what hangs, not a measure
constexpr RetryDraft kQuick{.attempts = 6, .within = {}, .first = 1ms, .cap = 5ms, .factor = {}};

json::Value parsed(std::string_view text) { return json::parse(text).value(); }

// What the functions of a test have done.
class Book {
 public:
  void write(const StepCall& call) {
    const std::lock_guard lock(mutex_);
    calls_.push_back((call.undo ? "undo " : "") + call.step);
    keys_[calls_.back()].insert(call.key);
  }
  [[nodiscard]] std::vector<std::string> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  [[nodiscard]] std::set<std::string> keys(const std::string& of) const {
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find(of);
    return found == keys_.end() ? std::set<std::string>() : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> calls_;
  std::map<std::string, std::set<std::string>> keys_;
};

class EmbeddedTest : public testing::Test {
 protected:
  EmbeddedTest() {
    directory_ = std::filesystem::path(testing::TempDir()) /
                 ("embedded_" + std::to_string(::getpid()) + "_" +
                  testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
  }
  ~EmbeddedTest() override { std::filesystem::remove_all(directory_); }

  StepFunction done(std::string output = "null") {
    return [this, output = parsed(output)](const StepCall& call) {
      book.write(call);
      return Outcome::done(output);
    };
  }
  StepFunction answers(Outcome outcome) {
    return [this, outcome = std::move(outcome)](const StepCall& call) {
      book.write(call);
      return outcome;
    };
  }
  CodeSaga order(StepFunction charge, std::uint32_t version = 1) {
    return CodeSaga("order", version)
        .step("reserve", done(R"({"reservation":5})"))
        .undo(done())
        .step("charge", std::move(charge))
        .undo(done())
        .retry(kQuick)
        .step("ship", done(R"({"id":"T1"})"))
        .pivot()
        .result("{shipment: .steps.ship.id}");
  }
  Embedded open(std::vector<CodeSaga> sagas, std::uint32_t threads = 2) {
    auto opened = Embedded::open({.path = path(), .sagas = std::move(sagas), .threads = threads});
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  [[nodiscard]] std::string path() const { return (directory_ / "sagas.db").string(); }
  static SagaView ended(Embedded& sagas, std::string_view input = "{}", std::string_view id = "") {
    auto started = sagas.start("order", id, parsed(input));
    EXPECT_TRUE(started) << started.error().detail;
    auto view = sagas.wait(started->saga.id, kPatience);
    EXPECT_TRUE(view) << view.error().detail;
    return *view;
  }

  Book book;

 private:
  std::filesystem::path directory_;
};

using Calls = std::vector<std::string>;

TEST_F(EmbeddedTest, RunsToItsEndAndGivesEachStepWhatCameBefore) {
  json::Value given;
  Embedded sagas = open({order([&](const StepCall& call) {
    given = json::Value::object({{"input", call.input}, {"steps", call.steps}});
    return Outcome::done();
  })});
  const SagaView view = ended(sagas, R"({"total":1.10})");
  EXPECT_EQ(view.state, "completed");
  EXPECT_EQ(json::write(view.body["result"]), R"({"shipment":"T1"})");
  EXPECT_EQ(json::write(given), R"({"input":{"total":1.10},"steps":{"reserve":{"reservation":5}}})");
  EXPECT_EQ(book.calls(), (Calls{"reserve", "ship"}));
}

TEST_F(EmbeddedTest, UndoesWhatWasRefusedInItsWords) {
  json::Value cause;
  CodeSaga saga = CodeSaga("order", 1)
                      .step("reserve", done())
                      .undo([&](const StepCall& call) {
                        book.write(call);
                        cause = call.cause;
                        return Outcome::done();
                      })
                      .step("charge", answers(Outcome::refused("the card was declined")))
                      .undo(done());
  Embedded sagas = open({saga});
  const SagaView view = ended(sagas);
  EXPECT_EQ(view.state, "compensated");
  EXPECT_EQ(book.calls(), (Calls{"reserve", "charge", "undo reserve"}));
  EXPECT_EQ(cause["step"].as_string(), "charge");
  const auto history = sagas.show(view.id, true);
  ASSERT_TRUE(history);
  EXPECT_NE(json::write(history->body).find("the card was declined"), std::string::npos)
      << json::write(history->body);
}

TEST_F(EmbeddedTest, CallsAgainWithTheSameKeyAndTakesAnExceptionForUnknown) {
  std::atomic<int> calls = 0;
  Embedded sagas = open({order([&](const StepCall& call) {
    book.write(call);
    switch (calls++) {
      case 0:
        throw std::runtime_error("the database is away");
      case 1:
        throw 5;  // NOLINT(hicpp-exception-baseclass): what a function may do
      case 2:
        return Outcome::retry("busy");
      case 3:
        return Outcome::unknown("the connection broke");
      default:
        return Outcome::done();
    }
  })});
  EXPECT_EQ(ended(sagas).state, "completed");
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(book.keys("charge").size(), 1U);
}

TEST_F(EmbeddedTest, UndoesAStepWhoseOutcomeStaysUnknown) {
  Embedded sagas = open({order(answers(Outcome::unknown("nobody knows")))});
  EXPECT_EQ(ended(sagas).state, "compensated");
  const Calls calls = book.calls();
  ASSERT_EQ(calls.size(), 9U);  // reserve, six charges, two undos
  EXPECT_EQ(calls[7], "undo charge");
  EXPECT_EQ(calls[8], "undo reserve");
}

TEST_F(EmbeddedTest, SuspendsWhereAnUndoIsRefused) {
  CodeSaga saga = CodeSaga("order", 1)
                      .step("reserve", done())
                      .undo(answers(Outcome::refused("it has left the house")))
                      .step("charge", answers(Outcome::refused("no")))
                      .undo(done());
  Embedded sagas = open({saga});
  const SagaView view = ended(sagas);
  EXPECT_EQ(view.state, "suspended");
  EXPECT_NE(json::write(view.body).find("it has left the house"), std::string::npos)
      << json::write(view.body);
}

TEST_F(EmbeddedTest, FindsTheSagaOfAnIdAgain) {
  Embedded sagas = open({order(done())});
  const SagaView first = ended(sagas, R"({"n":1})", "o-1");
  const auto again = sagas.start("order", "o-1", parsed(R"({"n":1})"));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->existing);
  EXPECT_EQ(again->saga.id, first.id);
  EXPECT_EQ(again->saga.state, "completed");
  const auto other = sagas.start("order", "o-1", parsed(R"({"n":2})"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, Reason::key_reused);
  EXPECT_EQ(sagas.start("nothing", "", {}).error().reason, Reason::not_found);
  EXPECT_EQ(book.calls().size(), 3U);
}

// The process "dies" in the middle: close() gives up what runs without waiting for an answer to be recorded.
TEST_F(EmbeddedTest, GoesOnWithTheSameKeysWhenTheFileIsOpenedAgain) {
  SagaId id;
  std::atomic<bool> reached = false;
  {
    Embedded sagas = open({order([&](const StepCall& call) {
      book.write(call);
      reached = true;
      while (!call.stop.stop_requested()) {
        std::this_thread::yield();
      }
      return Outcome::done();  // too late: nobody writes it down
    })});
    id = sagas.start("order", "o-1", parsed("{}"))->saga.id;
    while (!reached) {
      std::this_thread::yield();
    }
    EXPECT_FALSE(Embedded::open({.path = path(), .sagas = {}}));  // one process, one owner
    sagas.close(Duration::zero());
    EXPECT_EQ(sagas.show(id).error().reason, Reason::draining);
  }
  Embedded sagas = open({order(done())});
  EXPECT_EQ(sagas.wait(id, kPatience)->state, "completed");
  EXPECT_EQ(book.calls(), (Calls{"reserve", "charge", "charge", "ship"}));
  EXPECT_EQ(book.keys("charge").size(), 1U);
}

TEST_F(EmbeddedTest, ParksASagaWhoseVersionItHasNotAndGoesOnWithIt) {
  SagaId id;
  std::atomic<bool> reached = false;
  const auto hangs = [&](const StepCall& call) {
    reached = true;
    while (!call.stop.stop_requested()) {
      std::this_thread::yield();
    }
    return Outcome::unknown("stopped");
  };
  {
    Embedded sagas = open({order(hangs, 1)});
    id = sagas.start("order", "", parsed("{}"))->saga.id;
    while (!reached) {
      std::this_thread::yield();
    }
  }
  {
    Embedded sagas = open({order(done(), 2)});
    const auto parked = sagas.wait(id, kPatience);
    ASSERT_TRUE(parked);
    EXPECT_EQ(parked->state, "suspended");
    EXPECT_NE(json::write(parked->body).find("order/1/charge"), std::string::npos)
        << json::write(parked->body);
    EXPECT_EQ(ended(sagas).state, "completed");  // new ones run
  }
  Embedded sagas = open({order(done(), 1), order(done(), 2)});
  ASSERT_TRUE(sagas.resume(id, "test", "its functions are back"));
  EXPECT_EQ(sagas.wait(id, kPatience)->state, "completed");
}

TEST_F(EmbeddedTest, AsksAFunctionToStopWhenItsTimeIsOverAndWaitsForIt) {
  std::atomic<int> calls = 0;
  std::atomic<int> at_once = 0;
  Embedded sagas = open({CodeSaga("order", 1)
                             .step("charge",
                                   [&](const StepCall& call) {
                                     EXPECT_EQ(++at_once, 1);
                                     const bool first = calls++ == 0;
                                     while (first && !call.stop.stop_requested()) {
                                       std::this_thread::yield();
                                     }
                                     --at_once;
                                     return first ? Outcome::unknown("out of time") : Outcome::done();
                                   })
                             .no_undo("nothing to undo")
                             .timeout(20ms)
                             .retry(kQuick)});
  EXPECT_EQ(ended(sagas).state, "completed");
  EXPECT_EQ(calls, 2);
}

TEST_F(EmbeddedTest, RunsNoMoreFunctionsAtOnceThanItHasThreads) {
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  Embedded sagas =
      open({CodeSaga("order", 1)
                .step("work",
                      [&](const StepCall&) {
                        const int mine = ++now;
                        for (int seen = most; mine > seen && !most.compare_exchange_weak(seen, mine);) {
                        }
                        std::this_thread::yield();
                        --now;
                        return Outcome::done();
                      })
                .no_undo("nothing to undo")},
           3);
  std::vector<SagaId> ids;
  for (int i = 0; i < 100; ++i) {
    ids.push_back(sagas.start("order", "", parsed("{}"))->saga.id);
  }
  for (const SagaId id : ids) {
    EXPECT_EQ(sagas.wait(id, kPatience)->state, "completed");
  }
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 1);
}

TEST_F(EmbeddedTest, CancelsAndSignals) {
  CodeSaga saga = CodeSaga("order", 1)
                      .step("reserve", done())
                      .undo(done())
                      .step(StepBuilder("approve").signal({.signal = "approved", .within = {}}))
                      .step("ship", done())
                      .pivot();
  Embedded sagas = open({saga});
  const SagaId one = sagas.start("order", "", parsed("{}"))->saga.id;
  const SagaId two = sagas.start("order", "", parsed("{}"))->saga.id;
  ASSERT_TRUE(sagas.signal({.saga = one, .name = "approved", .id = "s1", .payload = {}}));
  EXPECT_EQ(sagas.wait(one, kPatience)->state, "completed");
  ASSERT_TRUE(sagas.cancel(two, "test", "it is not wanted"));
  EXPECT_EQ(sagas.wait(two, kPatience)->state, "compensated");
}

TEST(CodeSagaTest, PutsNamesAndVersionIntoTheHash) {
  const auto build = [](std::string step, std::uint32_t version) {
    const StepFunction function = [](const StepCall&) { return Outcome::done(); };
    return *CodeSaga("order", version).step(std::move(step), function).undo(function).build();
  };
  EXPECT_EQ(build("a", 1)->hash.value(), build("a", 1)->hash.value());
  EXPECT_NE(build("a", 1)->hash.value(), build("a", 2)->hash.value());
  EXPECT_NE(build("a", 1)->hash.value(), build("b", 1)->hash.value());
}

TEST(CodeSagaTest, SaysWhatIsWrong) {
  const StepFunction good = [](const StepCall&) { return Outcome::done(); };
  const auto fault = [](const CodeSaga& saga) {
    const auto built = saga.build();
    return built ? std::string("nothing") : built.error().message;
  };
  EXPECT_NE(fault(CodeSaga("o", 1).undo(good)).find("begin with step()"), std::string::npos);
  EXPECT_NE(fault(CodeSaga("o", 1).step("a", nullptr).undo(good)).find("'a' is null"), std::string::npos);
  EXPECT_NE(fault(CodeSaga("o", 1).step(StepBuilder("a").action("POST s/x"))).find("calls a service"),
            std::string::npos);
  EXPECT_NE(fault(CodeSaga("o", 1).step("a", good)).find("step 'a'"), std::string::npos);  // no undo
  EXPECT_NE(fault(CodeSaga("o", 1).step("a", good).undo(good).step("a", good).undo(good)).find("two steps"),
            std::string::npos);
  EXPECT_NE(fault(CodeSaga("o", 1).step("a", good).undo(good).after({"a"})), "nothing");
  const CodeSaga fine = CodeSaga("o-1", 1).step("a-b", good).undo(good).step("c", good).pivot();
  EXPECT_EQ(fault(fine), "nothing");
  const auto twice = Embedded::open({.path = "unused.db", .sagas = {fine, fine}});
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("given twice"), std::string::npos);
}

}  // namespace
}  // namespace flotilla::saga
