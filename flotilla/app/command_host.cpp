#include "flotilla/app/command_host.hpp"

#include <map>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "flotilla/events/core/completion.hpp"

namespace flotilla::app {
namespace {

cqrs::CommandTablePtr table_of(const ConfigFile& file) {
  return cqrs::make_command_table(file.aggregates, event_rules(file.topics));
}

}  // namespace

cqrs::EventRules event_rules(const std::vector<events::TopicPtr>& topics) {
  auto known = std::make_shared<std::map<std::string, events::TopicPtr, std::less<>>>();
  for (const events::TopicPtr& topic : topics) {
    known->emplace(topic->name, topic);
  }
  return [known = std::move(known)](const std::string& name, journal::Event& event,
                                    WallTime now) -> std::optional<cqrs::CommandRefusal> {
    const auto topic = known->find(name);
    if (topic == known->end()) {  // nobody could read it
      return cqrs::CommandRefusal{
          .reason = Reason::invalid,
          .detail =
              fmt::format("the command decides an event of type '{0}', and the file names no topic '{0}': "
                          "declare it under `topics:` (a type that stands in `decide` as a text names it)",
                          name)};
    }
    Random random(0);  // for an id, which it has
    auto complete = events::complete(*topic->second, std::move(event), {}, now, random);
    if (!complete) {
      return cqrs::CommandRefusal{
          .reason = complete.error().reason,
          .detail = fmt::format("the command decides an event that its topic does not take: {}",
                                complete.error().detail)};
    }
    event = std::move(complete->event);
    return std::nullopt;
  };
}

void CommandHost::start(const ConfigFile& file, std::vector<cqrs::CommandHost> hosts) {
  retention_.replace(file.aggregates);
  reader_.replace(file.aggregates);
  runner_.start(table_of(file), std::move(hosts));
}

void CommandHost::replace(const ConfigFile& file) {
  retention_.replace(file.aggregates);
  reader_.replace(file.aggregates);
  runner_.replace(table_of(file));
}

void CommandHost::collect(telemetry::MetricsPage& page) const {
  constexpr telemetry::Family kForgotten{"flotilla_commands_replies_forgotten_total",
                                         "Replies under keys that were kept long enough."};
  runner_.collect(page);
  page.counter(kForgotten, {}, retention_.forgotten());
}

}  // namespace flotilla::app
