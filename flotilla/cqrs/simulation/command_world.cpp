#include "flotilla/cqrs/simulation/command_world.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/cqrs/core/expression_aggregate.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::cqrs::simulation {
namespace {

constexpr std::size_t kMostSteps = 200'000;  // while it settles
constexpr std::size_t kMostUnderWay = 12;
constexpr std::int64_t kKeepReplies = 60'000;  // milliseconds of the world

expr::Program compiled(Result<expr::Program> program) {
  FLOTILLA_ASSERT(program.has_value());
  return *std::move(program);
}

// Accounts that are added to up to a limit. Each event tells the state that it was decided on: how many came
// before it, and what they make together. Both codes mean the same, and keep it in other forms.
AggregatePtr account(const std::string& evolve, const std::string& count, const std::string& sum) {
  Aggregate made = expression_aggregate("account", evolve, compiled(compile_evolve(evolve)));
  made.snapshot_every = 4;
  made.retry_on_conflict = 2;
  made.keep_replies = Millis(kKeepReplies);
  const std::string decide = fmt::format(
      R"decide(({0} // 0) as $n | ({1} // 0) as $sum |
         if $command.by > 0 and $sum + $command.by * $command.times > 120
         then {{error: {{code: "full", message: "it holds \($sum)"}}}}
         else [range($command.times) | {{type: (if $command.by > 5 then "much" else "little" end),
                data: {{n: ($n + . + 1), sum: ($sum + $command.by * (. + 1)), by: $command.by}}}}] end)decide",
      count, sum);
  for (const char* const name : {"add", "add-checked"}) {
    Command command =
        expression_command(name, compiled(compile_command_id(".id")), compiled(compile_decide(decide)));
    if (std::string_view(name) == "add-checked") {
      command.checks.push_back({.call = *call::CallTemplate::parse("POST service/check"), .body = {}});
    }
    made.commands.push_back(std::make_shared<const Command>(std::move(command)));
  }
  return std::make_shared<const Aggregate>(std::move(made));
}

}  // namespace

std::string_view to_string(Event event) noexcept {
  constexpr std::array<std::string_view, kEvents> names{"accepted",
                                                        "no-events",
                                                        "refused",
                                                        "refusal-kept",
                                                        "replayed",
                                                        "refusal-replayed",
                                                        "key-reused",
                                                        "key-raced",
                                                        "key-asked-again",
                                                        "key-expired",
                                                        "decided-again",
                                                        "conflict-given",
                                                        "precondition-failed",
                                                        "precondition-held",
                                                        "created",
                                                        "creation-raced",
                                                        "snapshot-kept",
                                                        "snapshot-read",
                                                        "snapshot-of-other-code",
                                                        "check-refused",
                                                        "crashed-before",
                                                        "crashed-after",
                                                        "failed-written",
                                                        "failed-unwritten",
                                                        "topic-created",
                                                        "looked",
                                                        "looked-back",
                                                        "looked-from-snapshot",
                                                        "looked-past-snapshot",
                                                        "looked-at-nothing"};
  return names[static_cast<std::size_t>(event)];
}

std::vector<std::string> CommandCoverage::missing() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kEvents; ++i) {
    if (events[i] == 0) {
      names.emplace_back(to_string(static_cast<Event>(i)));
    }
  }
  return names;
}

CommandWorld::CommandWorld(const CommandWorldConfig& config, CommandCoverage& coverage)
    : config_(config), coverage_(coverage), random_(config.seed) {
  const auto some = [this](std::uint32_t most) {
    return static_cast<std::uint32_t>(random_.below(most + 1));
  };
  odds_ = {.wish = 50 + some(200),
           .crash = some(20),
           .fail = some(60),
           .repeat = 20 + some(200),
           .refuse_check = some(400),
           .keyed = 300 + some(600),
           .precondition = some(400),
           .other_body = some(60),
           .clock = some(15),
           .look = 50 + some(200)};
  codes_ = {account("{n: ((.n // 0) + 1), sum: ((.sum // 0) + $data.by)}", ".n", ".sum"),
            account("[((.[0]) // 0) + 1, ((.[1]) // 0) + $data.by]", "(. // [])[0]", "(. // [])[1]")};
  journal::Vocabulary known{{journal::RecordClass::topic, journal::kEventRecord, 1, "event"}};
  known.add(command_record_types());
  journal_ = std::make_unique<journal::MemoryJournal>(known);
}

CommandPtr CommandWorld::command_named(const std::string& name) const {
  return *std::ranges::find(code()->commands, name, [](const CommandPtr& each) { return each->name; });
}

void CommandWorld::violated(const std::string& what) {
  if (outcome_.violation.empty()) {
    outcome_.violation = fmt::format("after {} steps: {}", happened_, what);
    note("VIOLATED " + what);
  }
}

void CommandWorld::note(const std::string& what) {
  if (config_.trace) {
    outcome_.timeline += fmt::format("{}: {}\n", happened_, what);
  }
}

CommandOutcome CommandWorld::run() {
  while (happened_ < config_.steps && outcome_.violation.empty()) {
    happen();
  }
  if (outcome_.violation.empty()) {
    settle();
  }
  if (outcome_.violation.empty()) {
    check_end();
  }
  coverage_.steps += happened_;
  return std::move(outcome_);
}

void CommandWorld::happen() {
  ++happened_;
  now_ms_ += static_cast<std::int64_t>(random_.below(5));
  if (chance(odds_.clock)) {
    now_ms_ += kKeepReplies / 2;
  }
  if (chance(odds_.crash)) {
    crash();
  } else if (chance(odds_.wish) && under_way_.size() < kMostUnderWay) {
    wish_something();
  } else if (chance(odds_.repeat) && !wishes_.empty() && under_way_.size() < kMostUnderWay) {
    // One of the last: answered or not, he asks again.
    const std::size_t back = random_.below(std::min<std::size_t>(wishes_.size(), 8));
    const std::size_t wish = wishes_.size() - 1 - back;
    if (!wishes_[wish].ask.key.empty()) {
      ask(wish);
    }
  } else if (chance(odds_.look)) {
    looking_ ? look_on() : look();
  } else if (!under_way_.empty()) {
    go_on(random_.below(under_way_.size()));
  }
}

void CommandWorld::wish_something() {
  const std::string id = fmt::format("a{}", random_.below(3));
  const std::uint64_t by = random_.below(8);
  const std::uint64_t times = random_.below(4);
  Wish wish{.command = random_.below(4) == 0 ? "add-checked" : "add", .id = id};
  wish.ask.principal = "p";
  wish.ask.command = *json::parse(fmt::format(R"({{"id":"{}","by":{},"times":{}}})", id, by, times));
  if (chance(odds_.keyed)) {
    wish.ask.key = fmt::format("k{}", wishes_.size());
    if (chance(odds_.other_body) && !wishes_.empty() && !wishes_.back().ask.key.empty() &&
        wishes_.back().command == wish.command) {
      wish.ask.key = wishes_.back().ask.key;
    }
  }
  if (chance(odds_.precondition)) {
    const std::uint64_t version = versions_[id];
    wish.ask.expected = version - std::min<std::uint64_t>(version, random_.below(4) == 0 ? 1 : 0);
  }
  wishes_.push_back(std::move(wish));
  ask(wishes_.size() - 1);
}

void CommandWorld::ask(std::size_t wish) {
  Wish& asked = wishes_[wish];
  auto request = std::make_unique<Request>();
  request->wish = wish;
  request->began_ms = now_ms_;
  const auto known = keys_.find(asked.command + asked.ask.key);
  if (!asked.ask.key.empty() && known != keys_.end() && !known->second.empty() &&
      known->second.back().expires_ms <= now_ms_) {
    coverage_.count(Event::key_expired);
  }
  request->run = std::make_unique<CommandRun>(code(), command_named(asked.command), asked.id, asked.ask,
                                              EventRules(), config_.planted);
  request->effect = request->run->begin(now());
  ++asked.under_way;
  ++coverage_.requests;
  note(fmt::format("request {} of wish {} (key '{}')", coverage_.requests, wish, asked.ask.key));
  under_way_.push_back(std::move(request));
}

// First what it asked for is done, and later, perhaps after others, it is told.
void CommandWorld::go_on(std::size_t which) {
  Request& request = *under_way_[which];
  if (!request.told && !std::holds_alternative<effect::Give>(request.effect)) {
    request.told = carry_out(request);
    return;
  }
  if (request.told) {
    request.effect = request.run->step(*std::exchange(request.told, std::nullopt), now());
  }
  if (auto* const give = std::get_if<effect::Give>(&request.effect)) {
    const std::unique_ptr<Request> over = std::move(under_way_[which]);
    under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(which));
    --wishes_[over->wish].under_way;
    given(*over, give->answer);
  }
}

void CommandWorld::crash() {
  ++coverage_.crashes;
  for (const auto& request : under_way_) {
    if (std::holds_alternative<effect::Commit>(request->effect)) {
      coverage_.count(request->told && std::holds_alternative<input::Committed>(*request->told)
                          ? Event::crashed_after
                          : Event::crashed_before);
    }
    --wishes_[request->wish].under_way;
  }
  under_way_.clear();
  looking_.reset();
  topics_.clear();
  journal_->begin_epoch();
  code_ = random_.below(codes_.size());
  note("crash");
}

void CommandWorld::settle() {
  healing_ = true;
  note("it heals");
  crash();
  for (std::size_t wish = 0; wish < wishes_.size() && outcome_.violation.empty(); ++wish) {
    while (!wishes_[wish].answered && !wishes_[wish].ask.key.empty() && outcome_.violation.empty()) {
      ask(wish);
      while (!under_way_.empty() && outcome_.violation.empty()) {
        if (++happened_ > config_.steps + kMostSteps) {
          violated("it does not settle");
          return;
        }
        go_on(0);
      }
    }
  }
}

}  // namespace flotilla::cqrs::simulation
