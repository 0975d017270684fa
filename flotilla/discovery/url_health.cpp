#include "flotilla/discovery/url_health.hpp"

#include <utility>

#include <fmt/format.h>

#include "flotilla/base/random.hpp"
#include "flotilla/discovery/core/health_check.hpp"
#include "flotilla/discovery/probe.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::discovery {

UrlHealth::UrlHealth(net::Loop& loop, net::Resolver& resolver, const std::vector<UrlHealthTarget>& targets,
                     Changed changed, std::uint64_t seed)
    : loop_(loop), resolver_(resolver), changed_(std::move(changed)) {
  loop_.post([this, targets, seed] {
    Random seeds(seed);
    for (const UrlHealthTarget& target : targets) {
      tasks_.spawn(watch(target, seeds.next()));
    }
  });
}

net::Task<> UrlHealth::watch(UrlHealthTarget target, std::uint64_t seed) {
  Random random(seed);
  const bool v6 = target.host.contains(':');
  CheckDefinition definition;
  definition.what = HttpProbe{.url = fmt::format("http://{}{}{}:{}{}", v6 ? "[" : "", target.host,
                                                 v6 ? "]" : "", target.port, target.path)};
  definition.interval = target.every;
  definition.timeout = target.timeout;
  HealthCheck check(std::move(definition), loop_.now(), random);
  bool healthy = true;
  for (ProbeId id = 1;; ++id) {
    co_await net::sleep_until(loop_, check.next_deadline());
    StartProbe start = check.start_probe(id, loop_.now());
    const ProbeResult result = co_await run_probe(loop_, resolver_, nullptr, std::move(start));
    const auto verdict = check.on_probe(result, loop_.now(), random);
    if (verdict && healthy != (verdict->status != Status::critical)) {
      healthy = !healthy;
      changed_(target, healthy, verdict->output);
    }
  }
}

}  // namespace flotilla::discovery
