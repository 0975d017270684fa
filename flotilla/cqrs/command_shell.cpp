#include "flotilla/cqrs/command_shell.hpp"

#include <utility>

#include <fmt/format.h>

#include "flotilla/base/sha256.hpp"
#include "flotilla/base/ulid.hpp"
#include "flotilla/cqrs/command_reading.hpp"
#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/journal/core/topic.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::cqrs {
namespace {

constexpr Duration kSoon = std::chrono::seconds(1);
constexpr Duration kLook = std::chrono::milliseconds(5);  // how often, while it drains

CommandRefusal too_many(std::string detail) {
  return {.reason = Reason::overloaded,
          .detail = std::move(detail),
          .code = {},
          .service = {},
          .effect = Effect::none,
          .retry_after = kSoon};
}

}  // namespace

TopicStreams TopicDirectory::of(const std::vector<journal::Event>& events, CommandPlace place) const {
  TopicStreams found;
  if (events.empty()) {
    return found;
  }
  const std::lock_guard lock(mutex_);
  for (const journal::Event& event : events) {
    const std::string key = journal::topic_key(event.attribute("type"), place.shard, place.shards);
    if (const auto known = streams_.find(key); known != streams_.end()) {
      found.insert(*known);
    }
  }
  return found;
}

void TopicDirectory::put(const std::string& key, journal::StreamId stream) {
  const std::lock_guard lock(mutex_);
  streams_.insert_or_assign(key, stream);
}

// A place in the line of an aggregate, as long as it lives.
class CommandShell::Turn {
 public:
  explicit Turn(CommandShell& shell) : shell_(shell) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    if (key_.empty()) {
      return;
    }
    const auto found = shell_.lines_.find(key_);
    Line& line = found->second;
    const bool first = line.front() == &bell_;
    std::erase(line, &bell_);
    if (line.empty()) {
      shell_.lines_.erase(found);
    } else if (first && net::Loop::current() != nullptr) {
      line.front()->set();
    }
  }

  // False: too many wait already. Once.
  [[nodiscard]] net::Task<bool> take(std::string key, Counter& waited) {
    Line& line = shell_.lines_[key];
    if (line.size() >= kMaxTurns) {
      co_return false;
    }
    key_ = std::move(key);
    line.push_back(&bell_);
    if (line.front() != &bell_) {
      waited.add();
    }
    while (line.front() != &bell_) {
      co_await bell_.wait();
    }
    co_return true;
  }
  [[nodiscard]] bool taken() const noexcept { return !key_.empty(); }

 private:
  CommandShell& shell_;
  std::string key_;
  net::Event bell_;
};

void CommandShell::execute(CommandRun command, std::uint32_t shard, Give give) {
  if (tasks_.size() >= kMaxCommands) {
    give({.outcome = std::unexpected(
              too_many(fmt::format("{} commands are being executed, no more can be", kMaxCommands)))});
    return;
  }
  tasks_.spawn(run(std::move(command), shard, std::move(give)));
}

void CommandShell::drain(Instant deadline, std::move_only_function<void()> done) {
  drains_.spawn([](CommandShell& shell, Instant until, std::move_only_function<void()> then) -> net::Task<> {
    while (shell.tasks_.size() > 0 && shell.seat_.loop->now() < until) {
      co_await net::sleep_for(*shell.seat_.loop, kLook);
    }
    then();
  }(*this, deadline, std::move(done)));
}

net::Task<> CommandShell::run(CommandRun command, std::uint32_t shard, Give give) {
  CommandCounters& counters = metrics_.of(command.command().name, seat_.index);
  const Instant began = seat_.loop->now();
  Turn turn(*this);
  // A check that is sent again by a client that asks again under his key has the same key.
  const std::string own = command.ask().key.empty()
                              ? Ulid::make(net::wall_now(), random_).text()
                              : to_hex(sha256(command_scope(command.command().name) + "\n" +
                                              command_key(command.ask().principal, command.ask().key)))
                                    .substr(0, 32);
  CommandEffect effect = command.begin(net::wall_now());
  while (!std::holds_alternative<effect::Give>(effect)) {
    CommandInput in = input::Checked{};
    if (auto* const find = std::get_if<effect::FindHolder>(&effect)) {
      const bool must_wait = find->of_aggregate && !turn.taken();
      if (must_wait && !co_await turn.take(find->scope + "\n" + find->key, counters.waited)) {
        in = input::Failed{too_many(
            fmt::format("{} commands wait for {} '{}', no more can", kMaxTurns, find->scope, find->key))};
      } else {
        in = co_await cqrs::carry_out(journal_, std::move(*find));
      }
    } else if (auto* const read = std::get_if<effect::ReadRecords>(&effect)) {
      in = co_await cqrs::carry_out(journal_, *read);
    } else if (auto* const snapshot = std::get_if<effect::ReadSnapshot>(&effect)) {
      in = co_await cqrs::carry_out(journal_, *snapshot);
    } else if (auto* const check = std::get_if<effect::RunCheck>(&effect)) {
      counters.checks.add();
      in = co_await carry_out(*check, command, own);
    } else {
      in = co_await carry_out(std::move(std::get<effect::Commit>(effect)), shard);
    }
    effect = command.step(std::move(in), net::wall_now());
  }
  CommandAnswer answer = std::move(std::get<effect::Give>(effect).answer);
  count(counters, command, answer);
  counters.duration.record(seat_.loop->now() - began);
  give(std::move(answer));
}

void CommandShell::count(CommandCounters& counters, const CommandRun& command, const CommandAnswer& answer) {
  const CommandCounts& counts = command.counts();
  counters.conflicts.add(counts.conflicts);
  counters.loaded.add(counts.loaded);
  counters.snapshots_read.add(counts.from_snapshot ? 1 : 0);
  if (answer.replayed) {
    counters.replayed.add();
  } else if (answer.outcome) {
    counters.accepted.add();
    counters.events.add(answer.outcome->events.size());
    counters.snapshots_kept.add(counts.snapshot_kept ? 1 : 0);
  } else {
    counters.refusals[static_cast<std::size_t>(answer.outcome.error().reason)].add();
  }
}

net::Task<CommandInput> CommandShell::carry_out(effect::RunCheck check, const CommandRun& command,
                                                const std::string& key) {
  co_return input::Checked{co_await seat_.checks->check(command.command().checks[check.index], command.ask(),
                                                        fmt::format("{}-{}", key, check.index))};
}

net::Task<CommandInput> CommandShell::carry_out(effect::Commit commit, std::uint32_t shard) {
  for (;;) {
    const CommandPlace place{.shard = shard, .shards = journal_.shards(), .epoch = journal_.epoch(shard)};
    CommandBatch built = make_batch(commit, topics_.of(commit.events, place), place);
    const auto done = co_await journal_.append(std::move(built.batch));
    if (done) {
      for (std::size_t i = 0; i < built.created.size(); ++i) {
        if (!built.created[i].empty()) {
          topics_.put(built.created[i], done->created[i]);
        }
      }
      co_return input::Committed{done->position};
    }
    const auto* const taken = std::get_if<journal::KeyTaken>(&done.error());
    if (taken == nullptr || taken->scope != journal::kTopicScope) {
      co_return input_of(done.error(), commit);
    }
    topics_.put(taken->key, taken->holder.stream);
  }
}

CommandInput CommandShell::input_of(const journal::AppendError& error, const effect::Commit& commit) {
  if (const auto* const conflict = std::get_if<journal::VersionConflict>(&error)) {
    return input::Conflict{.actual = conflict->actual, .stream = conflict->stream};
  }
  if (const auto* const taken = std::get_if<journal::KeyTaken>(&error)) {
    if (taken->scope == commit.scope) {
      return input::KeyHeld{taken->holder};
    }
    return input::Conflict{.actual = 0, .stream = taken->holder.stream};
  }
  const Reason reason = journal::reason_of(error);
  const auto* const trouble = std::get_if<journal::StoreUnavailable>(&error);
  const bool unknown = trouble != nullptr && trouble->effect == Effect::unknown;
  return input::Failed{{.reason = reason,
                        .detail = describe(error),
                        .code = {},
                        .service = {},
                        .effect = unknown ? Effect::unknown : Effect::none,
                        .retry_after = reason == Reason::too_large ? Duration::zero() : kSoon}};
}

}  // namespace flotilla::cqrs
