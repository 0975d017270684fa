// The barrier, over SQLite files: every order in which requests can come, and their transactions end.
#include "flotilla/saga/core/barrier.hpp"

#include <algorithm>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "flotilla/journal/sqlite.hpp"
#include "flotilla/saga/core/saga_key.hpp"
#include "flotilla/saga/sqlite_barrier.hpp"

namespace flotilla::saga {
namespace {

using journal::sqlite::Connection;
using Kind = Passage::Kind;

constexpr WallTime kNow{1'000'000'000'000'000'000};

// A service with one account: actions add 1, undos take 1 away.
class Service {
 public:
  explicit Service(const std::string& path)
      : connection_(*Connection::open(path, Connection::Mode::create, "")),
        barrier_(*SqliteBarrier::open(patient(*connection_))) {
    connection_->execute("CREATE TABLE IF NOT EXISTS effects (op TEXT NOT NULL)");
  }

  enum class Way : std::uint8_t { commits, refuses, dies };  // dies: before its commit

  Result<Passage> request(Op op, Way way, const std::string& step = "sg1-x-1") {
    return barrier_.run({.step = step, .op = op}, kNow, [&]() -> Result<SqliteBarrier::Effect> {
      if (way == Way::refuses) {
        return SqliteBarrier::Effect{.refused = true, .answer = "no"};
      }
      connection_->execute(op == Op::action ? "INSERT INTO effects VALUES ('a')"
                                            : "INSERT INTO effects VALUES ('c')");
      if (way == Way::dies) {
        return fail(Errc::unavailable, "killed");
      }
      return SqliteBarrier::Effect{.answer = op == Op::action ? "acted" : "undone"};
    });
  }
  [[nodiscard]] std::int64_t effects(char op) {
    return connection_->integer(std::string("SELECT count(*) FROM effects WHERE op = '") + op + "'");
  }
  void forget_all() {
    connection_->execute("DELETE FROM effects");
    connection_->execute("DELETE FROM saga_barrier");
  }
  [[nodiscard]] SqliteBarrier& barrier() { return barrier_; }

 private:
  // Waits for a file that another one writes, from the first statement on.
  static sqlite3* patient(Connection& connection) {
    connection.execute("PRAGMA busy_timeout = 60000");
    return connection.handle();
  }

  std::unique_ptr<Connection> connection_;
  SqliteBarrier barrier_;
};
using Way = Service::Way;

struct Request {
  Op op;
  Way way;
};

std::string show(const std::vector<Request>& requests) {
  std::string all;
  for (const Request& request : requests) {
    all += request.op == Op::action ? 'a' : 'c';
    all += request.way == Way::commits ? "+ " : request.way == Way::refuses ? "- " : "! ";
  }
  return all;
}

// What must hold after each request, whatever came before.
class Oracle {
 public:
  void check(const Request& request, const Result<Passage>& got, Service& service) {
    if (!got) {
      EXPECT_EQ(request.way, Way::dies);
      EXPECT_EQ(got.error().message, "killed");
    } else if (request.op == Op::action) {
      check_action(*got);
    } else {
      check_undo(request, *got);
    }
    const std::int64_t acted = service.effects('a');
    const std::int64_t undone = service.effects('c');
    EXPECT_LE(acted, 1);
    EXPECT_LE(undone, acted);
    if (undone_for_good_) {
      EXPECT_EQ(acted, undone);
    }
  }

 private:
  void check_action(const Passage& got) {
    if (refused_) {
      EXPECT_TRUE(got.refused || got.kind == Kind::too_late) << "a refusal was taken back";
    }
    if (undone_for_good_ && !acted_) {
      EXPECT_TRUE(got.kind == Kind::too_late || got.refused) << "it acted after its undo";
    }
    if (acted_) {
      EXPECT_EQ(got.kind, Kind::replay);
      EXPECT_EQ(got.answer, "acted");
    }
    acted_ |= got.kind == Kind::act && !got.refused;
    refused_ |= got.refused;
  }
  void check_undo(const Request& request, const Passage& got) {
    if (got.kind == Kind::act && request.way == Way::refuses) {
      EXPECT_TRUE(got.refused);
      return;  // it can be tried again
    }
    EXPECT_EQ(got.kind == Kind::null_undo, !acted_);
    if (got.kind != Kind::null_undo) {
      EXPECT_EQ(got.kind == Kind::act, !undone_for_good_);
      EXPECT_EQ(got.answer, "undone");
    }
    undone_for_good_ = true;
  }

  bool acted_ = false;
  bool refused_ = false;
  bool undone_for_good_ = false;
};

TEST(Barrier, HoldsInEveryOrderOfActionsAndUndosAndOfTheirEnds) {
  Service service(":memory:");
  const std::vector<Request> kinds{{Op::action, Way::commits}, {Op::action, Way::refuses},
                                   {Op::action, Way::dies},    {Op::undo, Way::commits},
                                   {Op::undo, Way::refuses},   {Op::undo, Way::dies}};
  std::size_t orders = 0;
  const auto play = [&](const std::vector<Request>& requests) {
    SCOPED_TRACE(show(requests));
    Oracle oracle;
    for (const Request& request : requests) {
      oracle.check(request, service.request(request.op, request.way), service);
    }
    service.forget_all();
    ++orders;
  };
  // All sequences of up to four: with them {action, action, undo, undo} in each of its orders.
  std::vector<Request> requests;
  const auto extend = [&](const auto& self) -> void {
    if (!requests.empty()) {
      play(requests);
    }
    if (requests.size() == 4 || testing::Test::HasFailure()) {
      return;
    }
    for (const Request& kind : kinds) {
      requests.push_back(kind);
      self(self);
      requests.pop_back();
    }
  };
  extend(extend);
  EXPECT_EQ(orders, 6U + 36U + 216U + 1296U);
}

TEST(Barrier, AnswersEachCaseByName) {
  Service service(":memory:");
  EXPECT_EQ(service.request(Op::undo, Way::commits, "early")->kind, Kind::null_undo);
  EXPECT_EQ(service.request(Op::action, Way::commits, "early")->kind, Kind::too_late);
  EXPECT_EQ(service.request(Op::undo, Way::commits, "early")->kind, Kind::null_undo);
  EXPECT_EQ(service.request(Op::action, Way::commits, "usual")->kind, Kind::act);
  EXPECT_EQ(service.request(Op::action, Way::commits, "usual")->answer, "acted");
  EXPECT_EQ(service.request(Op::undo, Way::commits, "usual")->kind, Kind::act);
  EXPECT_EQ(service.request(Op::undo, Way::commits, "usual")->kind, Kind::replay);
  EXPECT_EQ(service.request(Op::action, Way::commits, "usual")->kind, Kind::replay);
  EXPECT_TRUE(service.request(Op::action, Way::refuses, "refused")->refused);
  const auto again = service.request(Op::action, Way::commits, "refused");
  EXPECT_TRUE(again->refused);
  EXPECT_EQ(again->answer, "no");
  EXPECT_EQ(service.request(Op::undo, Way::commits, "refused")->kind, Kind::null_undo);
}

TEST(Barrier, HoldsWhereRequestsComeAtTheSameTime) {
  const auto path =
      std::filesystem::path(testing::TempDir()) / ("barrier_" + std::to_string(::getpid()) + ".db");
  std::filesystem::remove(path);
  Service first(path.string());
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> threads;
    for (const Op op : {Op::action, Op::undo, Op::action, Op::undo}) {
      threads.emplace_back([&, op] {
        Service service(path.string());
        const auto got = service.request(op, Way::commits);
        EXPECT_TRUE(got) << got.error().message;
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_LE(first.effects('a'), 1);
    EXPECT_EQ(first.effects('a'), first.effects('c'));
    first.forget_all();
  }
  std::filesystem::remove(path);
}

TEST(Barrier, ForgetsWhatIsOld) {
  Service service(":memory:");
  ASSERT_TRUE(service.request(Op::action, Way::commits, "one"));
  ASSERT_TRUE(service.request(Op::undo, Way::commits, "one"));
  ASSERT_TRUE(service.request(Op::undo, Way::commits, "two"));
  EXPECT_EQ(service.barrier().forget(kNow), 0);
  EXPECT_EQ(service.barrier().forget({kNow.ns_since_epoch + 1'000'000}, 2), 2);
  EXPECT_EQ(service.barrier().forget({kNow.ns_since_epoch + 1'000'000}, 2), 1);
}

TEST(Barrier, ReadsTheKeysOfSagasAndNoOthers) {
  const SagaId id = *SagaId::parse("01JZ6X7Q8R9S0T1V2W3X4Y5Z6A");
  const auto action = make_key({{1, 2}}, {.saga = id, .step = 37, .op = Op::action});
  const auto undo = make_key({{1, 2}}, {.saga = id, .step = 37, .op = Op::undo});
  const BarrierKey expected{.step = "sg1-01JZ6X7Q8R9S0T1V2W3X4Y5Z6A-11", .op = Op::action};
  EXPECT_EQ(read_barrier_key(action), expected);
  EXPECT_EQ(read_barrier_key("\"" + action + "\""), expected);
  EXPECT_EQ(read_barrier_key(undo)->step, expected.step);
  EXPECT_EQ(read_barrier_key(undo)->op, Op::undo);
  EXPECT_EQ(read_barrier_key("sg1-01JZ6X7Q8R9S0T1V2W3X4Y5Z6A-2.7-q-abc")->op, Op::status);
  for (const char* other :
       {"", "\"", "k-1", "sg1-", "sg1-01JZ6X7Q8R9S0T1V2W3X4Y5Z6A", "sg2-01JZ6X7Q8R9S0T1V2W3X4Y5Z6A-1-a-x",
        "sg1-01JZ6X7Q8R9S0T1V2W3X4Y5Z6A-1-a-", "sg1-01JZ6X7Q8R9S0T1V2W3X4Y5Z6A-1-b-x",
        "sg1-01JZ6X7Q8R9S0T1V2W3X4Y5Z6A--a-x", "sg1-01JZ6X7Q8R9S0T1V2W3X4Y5Z6A-1-aa-x",
        "sg1-01JZ6X7Q8R9S0T1V2W3X4Y5Z6A-A-a-x", "sg1-01JZ6X7Q8R9S0T1V2W3X4Y5Z-1-a-xxxx"}) {
    EXPECT_EQ(read_barrier_key(other), std::nullopt) << other;
  }
  EXPECT_EQ(parse_barrier_state("blocked"), BarrierRow::State::blocked);
  EXPECT_EQ(parse_barrier_state("other"), std::nullopt);
}

}  // namespace
}  // namespace flotilla::saga
