#include "flotilla/cqrs/embedded.hpp"

#include <future>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "flotilla/cqrs/command_runner.hpp"
#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/cqrs/reply_retention.hpp"
#include "flotilla/journal/core/topic.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::cqrs {
namespace {

// Keys of this program's callers, apart from those of others who may have used the file.
constexpr std::string_view kPrincipal = "embedded";

// There is nobody to call here.
class NoChecks final : public CheckCarrier {
 public:
  [[nodiscard]] net::Task<std::optional<CommandRefusal>> check(const Check& check, const CommandAsk& /*ask*/,
                                                               std::string /*key*/) override {
    co_return CommandRefusal{.reason = Reason::unsupported,
                             .detail = fmt::format("the check {} needs a server", check.call.text())};
  }
};

Result<> check_all(const std::vector<AggregatePtr>& aggregates) {
  std::set<std::string_view> names;
  std::set<std::string_view> commands;
  for (const AggregatePtr& each : aggregates) {
    if (!journal::is_topic_name(each->name) || !names.insert(each->name).second) {
      return fail(Errc::invalid,
                  fmt::format("'{}' cannot be the name of an aggregate, or stands twice", each->name));
    }
    if (!each->evolve) {
      return fail(Errc::invalid, fmt::format("aggregate '{}' has no evolve", each->name));
    }
    for (const CommandPtr& command : each->commands) {
      if (!journal::is_topic_name(command->name) || !commands.insert(command->name).second) {
        return fail(Errc::invalid,
                    fmt::format("'{}' cannot be the name of a command, or stands twice", command->name));
      }
    }
  }
  return {};
}

CommandRefusal closed() {
  return {.reason = Reason::draining,
          .detail = "the aggregates of this program are closed: open the file again",
          .code = {},
          .service = {},
          .effect = Effect::none};
}

}  // namespace

// All of it; what the threads share, so it stays in place.
class Embedded::Machine {
 public:
  static Result<std::unique_ptr<Machine>> open(const EmbeddedOptions& options) {
    if (auto good = check_all(options.aggregates); !good) {
      return std::unexpected(good.error());
    }
    journal::Vocabulary known{{journal::RecordClass::topic, journal::kEventRecord, 1, "event"}};
    known.add(command_record_types());
    auto journal =
        journal::SqliteJournal::open({.path = options.path, .vocabulary = known, .now = {}, .vfs = {}});
    if (!journal) {
      return std::unexpected(journal.error());
    }
    auto loop = net::Loop::create();
    if (!loop) {
      return std::unexpected(loop.error());
    }
    return std::unique_ptr<Machine>(new Machine(*std::move(loop), *std::move(journal), options.aggregates));
  }

  ~Machine() {
    on_loop([this] { upkeep_.cancel_all(); });
    runner_.stop();
    journal_.reset();
    loop_->stop();
    thread_.join();
  }

  CommandAnswer execute(CommandRequest request) {
    std::promise<CommandAnswer> answer;
    loop_->post([&] {
      tasks_.spawn(
          [](CommandRunner& runner, CommandRequest what, std::promise<CommandAnswer>& to) -> net::Task<> {
            to.set_value(co_await runner.execute(std::move(what)));
          }(runner_, std::move(request), answer));
    });
    return answer.get_future().get();
  }

 private:
  Machine(std::unique_ptr<net::Loop> loop, std::unique_ptr<journal::SqliteJournal> journal,
          const std::vector<AggregatePtr>& aggregates)
      : loop_(std::move(loop)),
        journal_(std::move(journal)),
        retention_(*journal_),
        runner_(*journal_, std::random_device{}(), "") {
    retention_.replace(aggregates);
    thread_ = std::thread([this] { loop_->run(); });
    runner_.start(make_command_table(aggregates),
                  {{.loop = loop_.get(), .checks = std::make_shared<NoChecks>()}});
    on_loop([this] { upkeep_.spawn(retention_.tend(*loop_)); });
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
  ReplyRetention retention_;
  CommandRunner runner_;
  net::Scope tasks_;   // the loop's thread alone
  net::Scope upkeep_;  // the same
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

void Embedded::close() { machine_.reset(); }

std::expected<CommandReply, CommandRefusal> Embedded::execute(std::string_view command, json::Value body,
                                                              const ExecuteOptions& options) {
  if (!machine_) {
    return std::unexpected(closed());
  }
  if (options.key.size() > kMaxCommandKey) {
    return std::unexpected(CommandRefusal{.reason = Reason::malformed,
                                          .detail = fmt::format("a key has at most {} bytes, this one has {}",
                                                                kMaxCommandKey, options.key.size())});
  }
  CommandAnswer answer = machine_->execute({.name = std::string(command),
                                            .ask = {.principal = std::string(kPrincipal),
                                                    .key = options.key,
                                                    .command = std::move(body),
                                                    .expected = options.expected}});
  return std::move(answer.outcome);
}

}  // namespace flotilla::cqrs
