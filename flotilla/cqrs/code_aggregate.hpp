// An aggregate made of C++ types: a state, a function that evolves it, and functions that decide commands.
//
//   struct Order { bool placed = false; double paid = 0; };
//   const AggregatePtr order = CodeAggregate<Order>("order", 1)
//       .evolve([](Order order, const AggregateEvent& event) { ...; return order; })
//       .command("place-order", [](const Value& command) { return command["order"]; },
//                [](const Order& order, const Value& command) -> Verdict {
//                  if (order.placed) { return Refused{"exists", "the order exists"}; }
//                  return std::vector<NewEvent>{{"order.placed", command}};
//                })
//       .build();
//
// For: embedded.hpp. The functions are pure: the same state and command give the same, whenever they are
// called, and they may be called again. `version` names the code of evolve: who changes what it makes of
// events gives it another one, or old snapshots are taken for new ones. Without snapshots() there are none,
// and all events are folded for each command. Ownership: values; functions are copied. Threads: one builds;
// the functions are called on the loop of whoever executes. Limits: aggregate.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "flotilla/base/sha256.hpp"
#include "flotilla/cqrs/core/aggregate.hpp"
#include "flotilla/journal/core/record.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {

// What has happened to an aggregate.
struct AggregateEvent {
  std::string_view type;
  const json::Value& data;
};

template <class T>
class CodeAggregate {
 public:
  CodeAggregate(std::string name, std::uint32_t version) {
    made_.name = std::move(name);
    const Sha256 hash = sha256("code " + std::to_string(version));
    for (std::size_t i = 0; i < sizeof made_.fold; ++i) {
      made_.fold = made_.fold << 8 | hash[i];
    }
    made_.fold &= journal::kMaxNumber;
    made_.initial = std::make_shared<const T>();
    made_.snapshot_every = 0;
  }

  // From T() on.
  CodeAggregate& evolve(std::function<T(T state, const AggregateEvent& event)> function) {
    made_.evolve = [function = std::move(function)](
                       const State& state, const EventValues& event) -> std::expected<State, std::string> {
      const json::Value& type = event.event["type"];
      return std::make_shared<const T>(function(
          of(state), {.type = type.is_string() ? type.as_string() : std::string_view(), .data = event.data}));
    };
    return *this;
  }
  // One form of that type more: the data of an event in the form before it, in this one. As with evolve,
  // whoever adds one gives the aggregate another version.
  CodeAggregate& upcast(const std::string& type,
                        std::function<json::Value(const json::Value& data)> function) {
    made_.upcasts[type].push_back([function = std::move(function)](
                                      const EventValues& event) -> std::expected<json::Value, std::string> {
      return function(event.data);
    });
    return *this;
  }
  CodeAggregate& command(std::string name, std::function<json::Value(const json::Value& command)> id,
                         std::function<Verdict(const T& state, const json::Value& command)> decide) {
    Command command;
    command.name = std::move(name);
    command.id = [id = std::move(id)](const json::Value& body) { return aggregate_id(id(body)); };
    command.decide = [decide = std::move(decide)](
                         const State& state, const json::Value& body) -> std::expected<Verdict, std::string> {
      return decide(of(state), body);
    };
    made_.commands.push_back(std::make_shared<const Command>(std::move(command)));
    return *this;
  }
  // A state as JSON and back, kept every so many events.
  CodeAggregate& snapshots(std::uint32_t every, std::function<json::Value(const T& state)> save,
                           std::function<T(const json::Value& saved)> load) {
    made_.snapshot_every = every;
    made_.save = [save = std::move(save)](const State& state) -> std::optional<std::string> {
      return json::write(save(of(state)));
    };
    made_.load = [load = std::move(load)](std::string_view text) -> State {
      const auto value = json::parse(text);
      return value ? std::make_shared<const T>(load(*value)) : nullptr;
    };
    return *this;
  }
  CodeAggregate& retry_on_conflict(std::uint32_t times) {
    made_.retry_on_conflict = times;
    return *this;
  }
  CodeAggregate& keep_replies(Duration keep) {
    made_.keep_replies = keep;
    return *this;
  }

  // Nothing is checked before embedded.hpp opens it.
  [[nodiscard]] AggregatePtr build() const { return std::make_shared<const Aggregate>(made_); }

 private:
  static const T& of(const State& state) { return *static_cast<const T*>(state.get()); }

  Aggregate made_;
};

}  // namespace flotilla::cqrs
