#include "flotilla/cqrs/command_runner.hpp"

#include <future>
#include <utility>

#include <fmt/format.h>

#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/journal/reply.hpp"

namespace flotilla::cqrs {
namespace {

CommandAnswer refused(CommandRefusal refusal) { return {.outcome = std::unexpected(std::move(refusal))}; }

CommandRefusal stops(Effect effect) {
  return {
      .reason = Reason::draining,
      .detail = effect == Effect::none
                    ? "this process stops"
                    : "this process stopped while the command was executed: whether it was, the same request "
                      "under an Idempotency-Key finds out",
      .code = {},
      .service = {},
      .effect = effect,
      .retry_after = std::chrono::seconds(1)};
}

// Gives "draining" when whatever holds it goes before it was called.
class Answering {
 public:
  explicit Answering(journal::Done<CommandAnswer> done) : done_(std::move(done)) {}
  Answering(Answering&& other) noexcept : done_(std::exchange(other.done_, nullptr)), begun_(other.begun_) {}
  Answering& operator=(Answering&&) = delete;
  ~Answering() {
    if (done_) {
      done_(refused(stops(begun_ ? Effect::unknown : Effect::none)));
    }
  }
  void begin() noexcept { begun_ = true; }
  void operator()(CommandAnswer answer) { std::exchange(done_, nullptr)(std::move(answer)); }

 private:
  journal::Done<CommandAnswer> done_;
  bool begun_ = false;
};

}  // namespace

void CommandRunner::start(CommandTablePtr table, std::vector<CommandHost> hosts) {
  std::vector<SeatPtr> seats;
  for (CommandHost& host : hosts) {
    auto seat = std::make_shared<Seat>();
    seat->host = std::move(host);
    const std::size_t index = seats.size();
    run_on(*seat->host.loop, [&] {
      seat->shell = std::make_unique<CommandShell>(
          journal_, topics_, metrics_,
          CommandShell::Seat{
              .loop = seat->host.loop, .checks = seat->host.checks, .index = index, .seed = seed_ + index});
    });
    seats.push_back(std::move(seat));
  }
  const std::lock_guard lock(mutex_);
  table_ = std::move(table);
  seats_ = std::move(seats);
}

void CommandRunner::replace(CommandTablePtr table) {
  const std::lock_guard lock(mutex_);
  table_ = std::move(table);
}

CommandTablePtr CommandRunner::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

void CommandRunner::stop() {
  std::vector<SeatPtr> seats;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) {
      return;
    }
    seats = std::exchange(seats_, {});
  }
  for (const SeatPtr& seat : seats) {
    run_on(*seat->host.loop, [&seat] { seat->shell.reset(); });
  }
}

void CommandRunner::drain(Duration grace, std::function<void()> done) {
  std::vector<SeatPtr> seats;
  {
    const std::lock_guard lock(mutex_);
    seats = seats_;
  }
  if (seats.empty()) {
    done();
    return;
  }
  const auto left = std::make_shared<std::atomic<std::size_t>>(seats.size());
  const auto finish = std::make_shared<std::function<void()>>(std::move(done));
  for (const SeatPtr& seat : seats) {
    seat->host.loop->post([seat, grace, left, finish] {
      const auto one_less = [left, finish] {
        if (left->fetch_sub(1) == 1) {
          (*finish)();
        }
      };
      if (seat->shell) {
        seat->shell->drain(saturating_add(seat->host.loop->now(), grace), one_less);
      } else {
        one_less();
      }
    });
  }
}

void CommandRunner::run_on(net::Loop& loop, std::move_only_function<void()> function) {
  if (net::Loop::current() == &loop) {
    function();
    return;
  }
  std::promise<void> done;
  loop.post([&] {
    function();
    done.set_value();
  });
  done.get_future().wait();
}

std::optional<CommandRunner::Place> CommandRunner::place_of(const std::string& aggregate,
                                                            const std::string& id) const {
  const std::lock_guard lock(mutex_);
  if (seats_.empty()) {
    return std::nullopt;
  }
  Place place{.shard = aggregate_shard(aggregate, id, journal_.shards()), .seat = nullptr};
  if (journal_.ownership().lease(place.shard)) {
    place.seat = seats_[std::hash<std::string>{}(aggregate + "\n" + id) % seats_.size()];
  } else {
    place.owner = journal_.ownership().owner_address(place.shard);
  }
  return place;
}

net::Task<CommandAnswer> CommandRunner::execute(CommandRequest request) {
  const CommandTablePtr known = table();
  if (known == nullptr) {
    co_return refused(stops(Effect::none));
  }
  const auto found = known->commands.find(request.name);
  if (found == known->commands.end()) {
    co_return refused({.reason = Reason::not_found,
                       .detail = fmt::format("the file names no command '{}'; declare it under `aggregates:`",
                                             request.name.substr(0, kMaxAggregateName))});
  }
  auto id = address_command(*found->second.command, request.ask.command);
  if (!id) {
    co_return refused(std::move(id.error()));
  }
  auto place = place_of(found->second.aggregate->name, *id);
  if (!place) {
    co_return refused(stops(Effect::none));
  }
  if (place->seat == nullptr) {
    co_return co_await forward_command(std::move(place->owner), token_, request.name, std::move(request.ask),
                                       request.forwarded);
  }
  CommandRun run(found->second.aggregate, found->second.command, std::move(*id), std::move(request.ask),
                 known->rules);
  journal::Reply<CommandAnswer> reply;
  net::Loop& loop = *place->seat->host.loop;
  loop.post([place = std::move(*place), run = std::move(run), to = Answering(reply.send())]() mutable {
    if (place.seat->shell) {
      to.begin();
      place.seat->shell->execute(std::move(run), place.shard, std::move(to));
    }
  });
  co_return co_await reply;
}

}  // namespace flotilla::cqrs
