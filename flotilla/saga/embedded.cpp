#include "flotilla/saga/embedded.hpp"

#include <future>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/scope.hpp"
#include "flotilla/saga/function_carrier.hpp"
#include "flotilla/saga/retention.hpp"
#include "flotilla/saga/runner.hpp"

namespace flotilla::saga {
namespace {

// Keys of this program's callers, apart from those of others who may have used the file.
constexpr std::string_view kPrincipal = "embedded";

struct Built {
  std::vector<DefinitionPtr> current;  // by name, the version given last
  StepFunctions functions;
};

Result<Built> build(const std::vector<CodeSaga>& sagas) {
  Built built;
  std::set<std::pair<std::string, std::uint32_t>> versions;
  for (const CodeSaga& saga : sagas) {
    auto definition = saga.build();
    if (!definition) {
      return std::unexpected(definition.error());
    }
    if (!versions.emplace((*definition)->name, (*definition)->version).second) {
      return fail(Errc::invalid, fmt::format("saga '{}' version {} is given twice; give each its own version",
                                             (*definition)->name, (*definition)->version));
    }
    std::erase_if(built.current, [&](const auto& before) { return before->name == (*definition)->name; });
    built.current.push_back(*std::move(definition));
    built.functions.insert(saga.functions().begin(), saga.functions().end());
  }
  return built;
}

SagaProblem closed() {
  return {.reason = Reason::draining, .detail = "the sagas of this program are closed: open the file again"};
}

// Gives the answer to a thread that waits; a task that is cancelled gives "draining".
template <class T>
class Waiting {
 public:
  explicit Waiting(std::promise<Asked<T>>& to) : to_(&to) {}
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() {
    if (to_ != nullptr) {
      to_->set_value(std::unexpected(closed()));
    }
  }
  void give(Asked<T> answer) { std::exchange(to_, nullptr)->set_value(std::move(answer)); }

 private:
  std::promise<Asked<T>>* to_;
};

}  // namespace

// All of it; what the threads share, so it stays in place.
class Embedded::Machine {
 public:
  static Result<std::unique_ptr<Machine>> open(const EmbeddedOptions& options) {
    auto built = build(options.sagas);
    if (!built) {
      return std::unexpected(built.error());
    }
    auto journal = journal::SqliteJournal::open(
        {.path = options.path, .vocabulary = saga_vocabulary(), .now = {}, .vfs = {}});
    if (!journal) {
      return std::unexpected(journal.error());
    }
    auto runner = Runner::open(
        **journal, {.definitions = built->current, .callback_base = {}, .seed = std::random_device{}()});
    if (!runner) {
      return std::unexpected(runner.error());
    }
    auto loop = net::Loop::create();
    if (!loop) {
      return std::unexpected(loop.error());
    }
    auto machine =
        std::unique_ptr<Machine>(new Machine(*std::move(loop), *std::move(journal), *std::move(runner)));
    machine->retention_.replace_definitions(built->current);
    machine->run(std::move(built->functions), options.threads);
    return machine;
  }

  ~Machine() { close(Duration::zero()); }

  void close(Duration grace) {
    if (!thread_.joinable()) {
      return;
    }
    std::promise<void> drained;
    runner_->drain(grace, [&drained] { drained.set_value(); });
    drained.get_future().wait();
    on_loop([this] { tasks_.cancel_all(); });  // those who wait are told
    runner_->stop();
    carrier_->close();
    journal_.reset();
    loop_->stop();
    thread_.join();
  }

  // What the task that `make(Runner&)` gives answers.
  template <class T, class Make>
  Asked<T> ask(Make make) {
    std::promise<Asked<T>> answer;
    loop_->post([&] {
      tasks_.spawn([](Runner& runner, Make& make_task, std::promise<Asked<T>>& to) -> net::Task<> {
        Waiting<T> waiting(to);
        Asked<T> got = co_await make_task(runner);
        waiting.give(std::move(got));
      }(*runner_, make, answer));
    });
    return answer.get_future().get();
  }

 private:
  Machine(std::unique_ptr<net::Loop> loop, std::unique_ptr<journal::SqliteJournal> journal,
          std::unique_ptr<Runner> runner)
      : loop_(std::move(loop)),
        journal_(std::move(journal)),
        retention_(*journal_, ""),
        runner_(std::move(runner)) {}

  void run(StepFunctions functions, std::uint32_t threads) {
    thread_ = std::thread([this] { loop_->run(); });
    carrier_ = std::make_shared<FunctionCarrier>(*loop_, std::move(functions), threads);
    runner_->start({{.loop = loop_.get(), .carrier = carrier_}});
    on_loop([this] { tasks_.spawn(retention_.tend(*loop_)); });
  }

  void on_loop(std::move_only_function<void()> function) {
    std::promise<void> done;
    loop_->post([&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }

  std::unique_ptr<net::Loop> loop_;  // first: the others post to it
  std::unique_ptr<journal::SqliteJournal> journal_;
  Retention retention_;
  std::shared_ptr<FunctionCarrier> carrier_;
  std::unique_ptr<Runner> runner_;
  net::Scope tasks_;  // the loop's thread alone
  std::thread thread_;
};

Result<Embedded> Embedded::open(const EmbeddedOptions& options) {
  auto machine = Machine::open(options);
  if (!machine) {
    return std::unexpected(machine.error());
  }
  return Embedded(*std::move(machine));
}

Embedded::Embedded(std::unique_ptr<Machine> machine) : machine_(std::move(machine)) {}
Embedded::Embedded(Embedded&&) noexcept = default;
Embedded& Embedded::operator=(Embedded&&) noexcept = default;
Embedded::~Embedded() = default;

void Embedded::close(Duration grace) {
  if (machine_) {
    machine_->close(grace);
    machine_.reset();
  }
}

Asked<StartResult> Embedded::start(std::string_view saga, std::string_view id, json::Value input) {
  if (!machine_) {
    return std::unexpected(closed());
  }
  return machine_->ask<StartResult>([&](Runner& runner) {
    return runner.start({.name = std::string(saga),
                         .principal = std::string(kPrincipal),
                         .key = std::string(id),
                         .input = std::move(input),
                         .trace = {},
                         .correlation = {}});
  });
}

Asked<SagaView> Embedded::wait(SagaId saga, Duration at_most) {
  if (!machine_) {
    return std::unexpected(closed());
  }
  const Instant deadline = saturating_add(net::monotonic_now(), at_most);
  for (;;) {
    const Duration left = deadline - net::monotonic_now();
    auto view = machine_->ask<SagaView>(
        [&](Runner& runner) { return runner.end_of(saga, std::clamp(left, Duration::zero(), kMaxWait)); });
    if (!view || view->terminal || view->state == "suspended" || left <= kMaxWait) {
      return view;
    }
  }
}

Asked<SagaView> Embedded::show(SagaId saga, bool timeline) {
  if (!machine_) {
    return std::unexpected(closed());
  }
  return machine_->ask<SagaView>([&](Runner& runner) { return runner.show(saga, timeline); });
}

Asked<SagaPage> Embedded::list(ListRequest request) {
  if (!machine_) {
    return std::unexpected(closed());
  }
  return machine_->ask<SagaPage>([&](Runner& runner) { return runner.list(std::move(request)); });
}

Asked<CancelResult> Embedded::cancel(SagaId saga, std::string_view who, std::string_view why) {
  if (!machine_) {
    return std::unexpected(closed());
  }
  return machine_->ask<CancelResult>([&](Runner& runner) {
    return runner.cancel({.saga = saga, .who = std::string(who), .why = std::string(why)});
  });
}

Asked<SignalResult> Embedded::signal(SignalRequest request) {
  if (!machine_) {
    return std::unexpected(closed());
  }
  return machine_->ask<SignalResult>([&](Runner& runner) { return runner.signal(std::move(request)); });
}

Asked<SagaView> Embedded::resume(SagaId saga, std::string_view who, std::string_view why) {
  return operate({.saga = saga,
                  .verb = Verb::resume,
                  .step = {},
                  .who = std::string(who),
                  .why = std::string(why),
                  .expected_seq = {},
                  .payload = {},
                  .version = {}});
}

Asked<SagaView> Embedded::operate(OperateRequest request) {
  if (!machine_) {
    return std::unexpected(closed());
  }
  return machine_->ask<SagaView>([&](Runner& runner) { return runner.operate(std::move(request)); });
}

}  // namespace flotilla::saga
