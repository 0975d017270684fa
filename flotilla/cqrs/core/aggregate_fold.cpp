#include "flotilla/cqrs/core/aggregate_fold.hpp"

#include <utility>

#include <fmt/format.h>

#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/cqrs/core/row_fold.hpp"

namespace flotilla::cqrs {

std::expected<State, std::string> fold_record(const Aggregate& aggregate, std::string_view id,
                                              const State& state, std::uint64_t version,
                                              const KeptRecord& record) {
  const auto where = [&] { return fmt::format("event {} of {} '{}'", record.version, aggregate.name, id); };
  if (record.version != version + 1 || record.type != kAggregateEvent) {
    return std::unexpected(fmt::format("{} is not where it should be: verify the journal", where()));
  }
  const auto event = journal::decode_event(record.body);
  auto next = event ? fold_event(aggregate, state, *event) : std::unexpected(event.error().message);
  if (!next) {
    return std::unexpected(fmt::format(
        "{} cannot be folded, so no command can be decided: {}; change evolve so that it takes the event",
        where(), next.error()));
  }
  return next;
}

std::expected<State, std::string> fold_event(const Aggregate& aggregate, const State& state,
                                             const journal::Event& event) {
  auto values = read_values(event);
  if (!values) {
    return std::unexpected(std::move(values.error()));
  }
  if (auto brought = bring_up(aggregate.upcasts, *values); !brought) {
    return std::unexpected(std::move(brought.error()));
  }
  return aggregate.evolve(state, *values);
}

}  // namespace flotilla::cqrs
