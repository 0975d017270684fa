#include "flotilla/discovery/instance_health.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/discovery/core/health_check.hpp"
#include "flotilla/discovery/probe.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::discovery {

InstanceHealth::InstanceHealth(net::Loop& loop, net::Resolver& resolver, Changed changed, std::uint64_t seed)
    : loop_(loop), resolver_(resolver), changed_(std::move(changed)), seeds_(seed) {}

void InstanceHealth::follow(const std::vector<HealthTarget>& targets) {
  std::erase_if(watches_, [&](const Watch& watched) {
    return std::ranges::find(targets, watched.target) == targets.end();
  });
  for (const HealthTarget& target : targets) {
    if (std::ranges::find(watches_, target, &Watch::target) == watches_.end()) {
      Watch& watched = watches_.emplace_back();
      watched.target = target;
      watched.task.spawn(watch(watched, seeds_.next()));
    }
  }
}

net::Task<> InstanceHealth::watch(Watch& watched, std::uint64_t seed) {
  Random random(seed);
  const HealthTarget& target = watched.target;
  const bool v6 = target.host.contains(':');
  CheckDefinition definition;
  definition.what = HttpProbe{.url = fmt::format("http://{}{}{}:{}{}", v6 ? "[" : "", target.host,
                                                 v6 ? "]" : "", target.port, target.path)};
  definition.interval = target.every;
  definition.timeout = target.timeout;
  HealthCheck check(std::move(definition), loop_.now(), random);
  for (ProbeId id = 1;; ++id) {
    co_await net::sleep_until(loop_, check.next_deadline());
    StartProbe start = check.start_probe(id, loop_.now());
    const ProbeResult result = co_await run_probe(loop_, resolver_, nullptr, std::move(start));
    const auto verdict = check.on_probe(result, loop_.now(), random);
    if (verdict && watched.healthy != (verdict->status != Status::critical)) {
      watched.healthy = verdict->status != Status::critical;
      changed_(target, *watched.healthy, verdict->output);
    }
  }
}

}  // namespace flotilla::discovery
