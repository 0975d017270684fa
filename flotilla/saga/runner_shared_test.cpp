// Runners of several processes over one journal of several shards: two in one process here, each with its own
// leases, workers and door, over a journal in memory that refuses what a loser appends.
#include <deque>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "flotilla/base/text.hpp"
#include "flotilla/journal/lease_table.hpp"
#include "flotilla/journal/memory_journal.hpp"
#include "flotilla/journal/tail.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/saga/core/builder.hpp"
#include "flotilla/saga/forward.hpp"
#include "flotilla/saga/runner.hpp"
#include "flotilla/saga/runner_rig.hpp"

namespace flotilla::saga {
namespace {

using namespace std::chrono_literals;
using test::kPatience;
using test::LoopThread;
using test::Services;
using test::Worker;

constexpr std::uint32_t kShards = 4;
constexpr RetryDraft kQuick{.attempts = 6, .within = {}, .first = 2ms, .cap = 20ms, .factor = {}};

// What one process sees of the journal that all share.
class SharedJournal final : public journal::Journal {
 public:
  explicit SharedJournal(journal::MemoryJournal& store) : store_(store) {
    for (std::uint32_t shard = 0; shard < kShards; ++shard) {
      tails_.emplace_back(journal::Position(0, shard));
    }
  }
  // Under the next epoch; whoever had it is stale from now on.
  void take(std::uint32_t shard, Instant until = kNever) {
    store_.begin_epoch(shard);
    leases.gain({shard, store_.epoch(shard), until});
  }
  void take_all(Instant until = kNever) {
    for (std::uint32_t shard = 0; shard < kShards; ++shard) {
      take(shard, until);
    }
  }

  journal::LeaseTable leases{kShards};

  void set_retention(journal::RecordClass, std::string, Millis) override {}
  void forget_streams(journal::RecordClass, std::vector<journal::StreamId>,
                      journal::Done<Result<std::int64_t>> done) override {
    done(0);
  }
  void forget_periods(bool, journal::Done<Result<std::int64_t>> done) override { done(0); }
  void forget_claims(std::size_t, journal::Done<Result<std::int64_t>> done) override { done(0); }
  [[nodiscard]] std::uint32_t shards() const noexcept override { return kShards; }
  [[nodiscard]] journal::Ownership& ownership() noexcept override { return leases; }
  [[nodiscard]] journal::Health health() const override { return store_.health(); }
  [[nodiscard]] const journal::Metrics& metrics() const noexcept override { return store_.metrics(); }

 private:
  void do_append(journal::Batch batch, journal::Done<journal::AppendResult> done) override {
    store_.append(std::move(batch), std::move(done));
  }
  void do_read(journal::StreamQuery query, journal::Done<Result<journal::Page>> done) override {
    store_.read(query, std::move(done));
  }
  void do_read(journal::CategoryQuery query, journal::Done<Result<journal::Page>> done) override {
    store_.read(std::move(query), std::move(done));
  }
  void do_list(journal::SummaryQuery query,
               journal::Done<Result<std::vector<journal::Summary>>> done) override {
    store_.list(std::move(query), std::move(done));
  }
  void do_count(journal::CountQuery query,
                journal::Done<Result<std::vector<journal::StateCount>>> done) override {
    store_.count(std::move(query), std::move(done));
  }
  void do_summary(journal::StreamId stream,
                  journal::Done<Result<std::optional<journal::Summary>>> done) override {
    store_.summary(stream, std::move(done));
  }
  void do_find(std::string scope, std::string key,
               journal::Done<Result<std::optional<journal::Holder>>> done) override {
    store_.find(std::move(scope), std::move(key), std::move(done));
  }
  void do_snapshot(journal::StreamId stream, std::uint64_t fold,
                   journal::Done<Result<std::optional<journal::Snapshot>>> done) override {
    store_.snapshot(stream, fold, std::move(done));
  }
  void do_cursor(std::string name, journal::Done<Result<std::optional<journal::Cursor>>> done) override {
    store_.cursor(std::move(name), std::move(done));
  }
  [[nodiscard]] const journal::Vocabulary& vocabulary() const noexcept override { return vocabulary_; }
  [[nodiscard]] std::uint64_t do_epoch(std::uint32_t shard) const noexcept override {
    return leases.epoch(shard);
  }
  [[nodiscard]] journal::Position do_position(std::uint32_t shard) const noexcept override {
    return store_.position(shard);
  }
  [[nodiscard]] journal::Tail& tail(std::uint32_t shard) noexcept override { return tails_[shard]; }

  journal::MemoryJournal& store_;
  const journal::Vocabulary vocabulary_ = saga_vocabulary();
  std::deque<journal::Tail> tails_;
};

// A process: a worker, a runner, and the door at which others ask.
struct Process {
  Process(journal::MemoryJournal& store, const std::shared_ptr<call::Service>& service) : journal(store) {
    worker = std::make_unique<Worker>(0, service);
    door.run([this] {
      server = std::make_unique<http::ApiServer>(
          door.loop(), http::ServerLimits{},
          [this](http::Request request, net::SocketAddress) -> net::Task<http::Response> {
            ++asked;
            co_return co_await runner->answer_forwarded(std::move(request));
          });
      address = "http://" + server->listen(*net::SocketAddress::parse("127.0.0.1:0"))->to_string();
    });
  }
  ~Process() {
    runner.reset();
    door.run([this] { server.reset(); });
  }
  void open(const std::vector<DefinitionPtr>& definitions, std::uint64_t seed) {
    auto opened = Runner::open(
        journal, {.definitions = definitions, .callback_base = {}, .seed = seed, .own_address = address});
    ASSERT_TRUE(opened) << opened.error().message;
    runner = std::move(*opened);
    runner->start({worker->host()});
  }
  Asked<StartResult> start(std::string name, std::string key, std::string_view input = R"({"id":7})",
                           Duration wait = 0s) {
    return door.ask<Asked<StartResult>>([&] {
      return runner->start(StartRequest{.name = name,
                                        .principal = "test",
                                        .key = key,
                                        .input = json::parse(input).value(),
                                        .trace = {},
                                        .correlation = {},
                                        .wait = wait});
    });
  }
  Asked<SagaView> show(SagaId saga) {
    return door.ask<Asked<SagaView>>([&] { return runner->show(saga, false); });
  }
  Asked<CancelResult> cancel(SagaId saga) {
    return door.ask<Asked<CancelResult>>(
        [&] { return runner->cancel({.saga = saga, .who = "w", .why = "y"}); });
  }
  Asked<SignalResult> signal(SagaId saga, std::string name) {
    return door.ask<Asked<SignalResult>>(
        [&] { return runner->signal({.saga = saga, .name = name, .id = "one", .payload = json::Value(1)}); });
  }

  SharedJournal journal;
  LoopThread door;
  std::unique_ptr<Worker> worker;
  std::unique_ptr<Runner> runner;
  std::unique_ptr<http::ApiServer> server;
  std::string address;
  std::atomic<int> asked{0};
};

DefinitionPtr built(const SagaBuilder& builder) {
  auto definition = builder.build();
  EXPECT_TRUE(definition) << definition.error().message;
  return *definition;
}

DefinitionPtr order(std::string name, bool locks = false) {
  SagaBuilder builder(std::move(name));
  if (locks) {
    builder.lock("account:{.input.id}");
  }
  return built(std::move(std::move(builder)
                             .step(StepBuilder("charge")
                                       .action("POST shop/charges", "{id: .input.id}")
                                       .undo("POST shop/refunds", "{id: .input.id}")
                                       .retry(kQuick))
                             .step(StepBuilder("ship").pivot().action("POST shop/shipments").retry(kQuick))));
}

class SharedRunnerTest : public testing::Test {
 protected:
  SharedRunnerTest() {
    call::ServiceConfig config;
    config.name = ServiceName("shop");
    config.urls = {{"127.0.0.1", services.port(), ""}};
    service = std::move(*call::Service::create(config, 1, net::monotonic_now(), 1, nullptr));
    a = std::make_unique<Process>(store, service);
    b = std::make_unique<Process>(store, service);
    definitions = {order("order"), order("locked", true),
                   built(std::move(SagaBuilder("asks")
                                       .step(StepBuilder("wait").signal({.signal = "go", .within = {}}))
                                       .step(StepBuilder("ship").pivot().action("POST shop/shipments"))))};
  }
  void owners(std::vector<Process*> of) {
    std::vector<std::string> addresses;
    for (Process* const process : of) {
      addresses.push_back(process == nullptr ? "" : process->address);
    }
    a->journal.leases.set_owners(addresses);
    b->journal.leases.set_owners(addresses);
  }
  // Both run, and `first` has all shards.
  void open(Process& first) {
    first.journal.take_all();
    owners({&first, &first, &first, &first});
    a->open(definitions, 1);
    b->open(definitions, 2);
  }
  static void wait_for_state(Process& at, SagaId saga, std::string_view state) {
    for (const auto until = net::monotonic_now() + kPatience;;) {
      const auto view = at.show(saga);
      ASSERT_TRUE(view) << view.error().detail;
      if (view->state == state) {
        return;
      }
      ASSERT_LT(net::monotonic_now(), until) << json::write(view->body);
    }
  }
  // Starts one, asking again while shards are on their way.
  static SagaId started(Process& at, const std::string& name, const std::string& key,
                        std::string_view input = R"({"id":7})") {
    for (const auto until = net::monotonic_now() + kPatience;;) {
      const auto got = at.start(name, key, input);
      if (got) {
        return got->saga.id;
      }
      EXPECT_EQ(default_status(got.error().reason), 503) << got.error().detail;
      if (net::monotonic_now() > until) {
        ADD_FAILURE() << got.error().detail;
        return {};
      }
    }
  }
  std::vector<std::string> epochs(std::string_view line) {
    std::vector<std::string> all;
    for (const http::Request& request : services.got(line)) {
      const std::string attempt(request.headers.get("Saga-Attempt").value_or("?"));
      all.push_back(attempt.substr(0, attempt.find('.')));
    }
    return all;
  }

  Services services;
  journal::MemoryJournal store{saga_vocabulary(), kShards};
  std::shared_ptr<call::Service> service;
  std::vector<DefinitionPtr> definitions;
  std::unique_ptr<Process> a;
  std::unique_ptr<Process> b;
};

TEST_F(SharedRunnerTest, RunsSagasOnEveryShardThatIsHere) {
  open(*a);
  std::set<std::uint32_t> used;
  for (int i = 0; i < 8; ++i) {
    const SagaId saga = started(*a, "order", "k" + std::to_string(i));
    used.insert(shard_of(saga, kShards));
    wait_for_state(*a, saga, "completed");
    wait_for_state(*b, saga, "completed");  // from the journal alone
  }
  EXPECT_GT(used.size(), 1U);
}

TEST_F(SharedRunnerTest, AsksTheOwnerForWhatIsElsewhere) {
  open(*a);
  const SagaId saga = started(*b, "asks", "k");
  EXPECT_GT(a->asked, 0);
  const auto again = b->start("asks", "k");
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->existing);
  EXPECT_EQ(again->saga.id, saga);
  const auto other = b->start("asks", "k", R"({"id":8})");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, Reason::key_reused);
  ASSERT_TRUE(b->signal(saga, "go"));
  wait_for_state(*b, saga, "completed");
  const auto cancelled = b->cancel(saga);
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().reason, Reason::conflict);
  const auto waited = b->start("order", "w", R"({"id":9})", kPatience);
  ASSERT_TRUE(waited) << waited.error().detail;
  EXPECT_EQ(waited->saga.state, "completed");
}

TEST_F(SharedRunnerTest, AKeyIsOneSagaWhicheverProcessIsAsked) {
  open(*a);
  const SagaId saga = started(*a, "order", "same");
  (void)a->journal.leases.lose(3);
  b->journal.take(3);
  owners({a.get(), a.get(), a.get(), b.get()});
  EXPECT_EQ(started(*b, "order", "same"), saga);
  EXPECT_EQ(started(*a, "order", "same"), saga);
}

TEST_F(SharedRunnerTest, WhoIsAskedAsksNobodyElse) {
  open(*a);
  const SagaId saga = started(*a, "asks", "k");
  for (std::uint32_t shard = 0; shard < kShards; ++shard) {
    (void)a->journal.leases.lose(shard);
  }
  owners({b.get(), b.get(), b.get(), b.get()});  // which has none either
  const auto signalled = a->signal(saga, "go");
  ASSERT_FALSE(signalled);
  EXPECT_EQ(default_status(signalled.error().reason), 503);
  EXPECT_GT(signalled.error().retry_after, 0s);
  EXPECT_EQ(b->asked, 1);
  EXPECT_EQ(a->asked, 0);
  owners({nullptr, nullptr, nullptr, nullptr});
  EXPECT_FALSE(a->start("order", "x"));
}

TEST_F(SharedRunnerTest, RefusesWhoDoesNotShareTheJournal) {
  open(*a);
  const auto answer = a->door.ask<http::Response>([&] {
    return a->runner->answer_forwarded({.method = "POST",
                                        .target = std::string(kForwardPath),
                                        .headers = {{std::string(kSealHeader), seal(KeyMaterial{}, "{}")}},
                                        .body = "{}"});
  });
  EXPECT_EQ(answer.status, 403);
}

// The service holds its answer back while the shard moves.
TEST_F(SharedRunnerTest, TakesUpWhatTheLoserWasSending) {
  services.when("POST /charges", [&](const http::Request&, int nth) {
    if (nth == 1) {
      for (std::uint32_t shard = 0; shard < kShards; ++shard) {
        (void)a->journal.leases.lose(shard);
        b->journal.take(shard);
      }
      owners({b.get(), b.get(), b.get(), b.get()});
    }
    return http::Response{.status = 201, .headers = {}, .body = R"({"id":"x"})"};
  });
  open(*a);
  const SagaId saga = started(*a, "order", "k");
  wait_for_state(*b, saga, "completed");
  const auto charges = services.got("POST /charges");
  ASSERT_EQ(charges.size(), 2U) << "the new owner cannot know of an answer";
  EXPECT_EQ(charges[0].headers.get("Idempotency-Key"), charges[1].headers.get("Idempotency-Key"));
  EXPECT_EQ(charges[0].body, charges[1].body);
  EXPECT_LT(epochs("POST /charges")[0], epochs("POST /charges")[1]);
  EXPECT_EQ(epochs("POST /shipments"), std::vector{epochs("POST /charges")[1]});
  // The loser answers from the journal and sends what it is asked on.
  wait_for_state(*a, saga, "completed");
}

// It does not know yet that it has lost: what it appends is refused, and it sends nothing on.
TEST_F(SharedRunnerTest, ALoserThatDoesNotKnowWritesAndSendsNothing) {
  services.when("POST /charges", [&](const http::Request&, int nth) {
    if (nth == 1) {
      for (std::uint32_t shard = 0; shard < kShards; ++shard) {
        b->journal.take(shard);
      }
    }
    return http::Response{.status = 201, .headers = {}, .body = R"({"id":"x"})"};
  });
  open(*a);
  const SagaId saga = started(*a, "order", "k");
  wait_for_state(*b, saga, "completed");
  EXPECT_EQ(epochs("POST /charges").size(), 2U);
  ASSERT_EQ(epochs("POST /shipments").size(), 1U);
  EXPECT_EQ(epochs("POST /shipments")[0], epochs("POST /charges")[1]);
}

// Its lease ran out while it was stopped, say, and it does not know yet: what it remembers is of before.
TEST_F(SharedRunnerTest, ALoserThatDoesNotKnowShowsWhatTheJournalHas) {
  const Instant until = net::monotonic_now() + 300ms;
  a->journal.take_all(until);
  owners({a.get(), a.get(), a.get(), a.get()});
  a->open(definitions, 1);
  b->open(definitions, 2);
  const SagaId saga = started(*a, "asks", "k");
  const SagaId undone = started(*a, "asks", "l");
  while (net::monotonic_now() <= until) {
    std::this_thread::sleep_for(5ms);
  }
  b->journal.take_all();
  for (const auto end = net::monotonic_now() + kPatience; !b->signal(saga, "go") || !b->cancel(undone);) {
    ASSERT_LT(net::monotonic_now(), end);
  }
  wait_for_state(*b, saga, "completed");
  wait_for_state(*b, undone, "compensated");
  EXPECT_EQ(a->show(saga)->state, "completed");
  EXPECT_EQ(a->show(undone)->state, "compensated");
}

TEST_F(SharedRunnerTest, SendsOnlyWhileTheLeaseOutlastsTheAttempt) {
  a->journal.take_all(net::monotonic_now() + 4900ms);  // the attempts may take 5
  owners({a.get(), a.get(), a.get(), a.get()});
  a->open(definitions, 1);
  const SagaId saga = started(*a, "order", "k");
  EXPECT_EQ(a->show(saga)->state, "running");
  EXPECT_TRUE(services.got("POST /charges").empty());
  for (std::uint32_t shard = 0; shard < kShards; ++shard) {
    a->journal.leases.renew(shard, net::monotonic_now() + 10s);
  }
  wait_for_state(*a, saga, "completed");
}

TEST_F(SharedRunnerTest, LocksGoOnWithTheNextOwnerOfShardZero) {
  std::atomic<bool> busy = true;
  services.when("POST /charges", [&](const http::Request&, int) {
    return busy ? http::Response{.status = 429, .headers = {}, .body = {}}
                : http::Response{.status = 201, .headers = {}, .body = R"({"id":"x"})"};
  });
  open(*a);
  (void)a->journal.leases.lose(3);
  b->journal.take(3);
  owners({a.get(), a.get(), a.get(), b.get()});
  const SagaId first = started(*b, "locked", "1");
  const SagaId second = started(*a, "locked", "2");
  const SagaId other = started(*b, "locked", "3", R"({"id":8})");
  EXPECT_EQ(shard_of(first, kShards), 0U);
  EXPECT_EQ(shard_of(second, kShards), 0U);
  wait_for_state(*a, first, "running");
  EXPECT_EQ(a->show(second)->state, "scheduled");
  EXPECT_EQ(b->show(second)->state, "scheduled");

  (void)a->journal.leases.lose(0);
  b->journal.take(0);
  owners({b.get(), a.get(), a.get(), b.get()});
  const SagaId third = started(*a, "locked", "4");
  EXPECT_EQ(b->show(second)->state, "scheduled");
  busy = false;
  for (const SagaId saga : {first, second, other, third}) {
    wait_for_state(*b, saga, "completed");
  }
  // Those of one lock, in the order in which their requests came; a saga keeps its number with the next
  // owner.
  std::vector<SagaId> holders;
  std::uint64_t last = 0;
  for (const http::Request& request : services.got("POST /charges")) {
    const auto saga = SagaId::parse(*request.headers.get("saga-id"));
    const auto seq = parse_int<std::uint64_t>(request.headers.get("saga-seq").value_or(""));
    ASSERT_TRUE(saga && seq);
    if (saga == other) {
      continue;
    }
    if (holders.empty() || holders.back() != *saga) {
      holders.push_back(*saga);
      EXPECT_GT(*seq, last);
      last = *seq;
    }
    EXPECT_EQ(*seq, last);
  }
  EXPECT_EQ(holders, (std::vector{first, second, third}));
}

TEST_F(SharedRunnerTest, GivesShardsBackWhenItLeaves) {
  open(*a);
  const SagaId saga = started(*a, "asks", "k");
  std::promise<void> done;
  a->runner->drain(kPatience, [&] { done.set_value(); });
  done.get_future().wait();
  EXPECT_FALSE(a->journal.leases.lease(0));
  b->journal.take_all();
  owners({b.get(), b.get(), b.get(), b.get()});
  for (const auto until = net::monotonic_now() + kPatience; !b->signal(saga, "go");) {
    ASSERT_LT(net::monotonic_now(), until);
  }
  wait_for_state(*b, saga, "completed");
}

}  // namespace
}  // namespace flotilla::saga
