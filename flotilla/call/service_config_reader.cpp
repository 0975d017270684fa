#include "flotilla/call/service_config_reader.hpp"

#include <chrono>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/call/fallback_config_reader.hpp"
#include "flotilla/http/connection_pool.hpp"
#include "flotilla/http/core/authority.hpp"
#include "flotilla/http/core/uri.hpp"

namespace flotilla::call {
namespace {

using namespace std::chrono_literals;
using config::Kind;
using config::Node;
using config::Problems;
using config::Spec;

constexpr Duration kLongest = 24h;

struct Retry {
  resilience::RetryPolicy policy;
  resilience::RetryBudgetConfig budget;
};

const Spec<Retry>& retry_spec() {
  static const Spec<Retry> spec = [] {
    Spec<Retry> s("retry");
    s.field_with<std::uint32_t>(
        "attempts", config::integer(1, 16),
        [](Retry& r, std::uint32_t n, const Node&, Problems&) { r.policy.attempts = n; },
        "attempts, the first included", "2");
    s.field_with<config::DurationRange>(
        "backoff", config::duration_range(),
        [](Retry& r, config::DurationRange range, const Node&, Problems&) {
          r.policy.first = range.first;
          r.policy.cap = range.last;
        },
        "ceiling of the first pause, and of all; the pause is drawn below it", "25ms..250ms");
    s.field_with<double>(
        "factor", config::number(1, 100),
        [](Retry& r, double f, const Node&, Problems&) { r.policy.factor = f; }, "growth of the ceiling",
        "2");
    s.field_with<double>(
        "budget", config::share(), [](Retry& r, double b, const Node&, Problems&) { r.budget.ratio = b; },
        "retries as a share of calls", "20%");
    s.field_with<std::vector<std::string>>(
        "reasons", config::list_of(config::text()),
        [](Retry& r, std::vector<std::string> names, const Node& node, Problems& problems) {
          r.policy.reasons = resilience::RetryReasons({});
          for (std::size_t i = 0; i < names.size(); ++i) {
            if (const auto reason = resilience::parse_retry_reason(names[i])) {
              r.policy.reasons.add(*reason);
            } else {
              problems.add(node.items[i].place,
                           fmt::format("'{}' is no reason to retry; known are connect-failure, "
                                       "refused-stream, reset, timeout, 408, 425, 429, 502, 503, 504",
                                       names[i]));
            }
          }
        },
        "which failures are tried again, where resending is safe",
        "connect-failure, refused-stream, reset, 503");
    return s;
  }();
  return spec;
}

// "100 calls" or "30s".
Kind<resilience::WindowShape> window() {
  const std::string form = "a number of calls or a duration, such as 100 calls or 30s";
  return {.form = form,
          .schema = R"({"type":"string","pattern":"^[0-9]+( calls|ms|s|m)$"})",
          .read = [form](const Node& node, Problems& problems) -> std::optional<resilience::WindowShape> {
            resilience::WindowShape shape;
            if (node.text.ends_with(" calls")) {
              const auto size =
                  parse_int<std::uint32_t>(std::string_view(node.text).substr(0, node.text.size() - 6));
              if (size && *size >= 1 && *size <= 1024) {
                shape.kind = resilience::WindowShape::Kind::count;
                shape.size = *size;
                return shape;
              }
            } else if (const auto length = config::parse_duration(node.text);
                       length && *length >= 1s && *length <= 1h) {
              shape.kind = resilience::WindowShape::Kind::time;
              shape.length = *length;
              return shape;
            }
            config::wrong(node, form, problems);
            return std::nullopt;
          }};
}

struct SlowRate {
  double rate = 0;
  Duration over{0};
};
// "80% over 2s".
Kind<SlowRate> slow_rate() {
  const std::string form = "a share and a duration, such as 80% over 2s";
  return {.form = form,
          .schema = R"({"type":"string","pattern":"^[0-9.]+% over [0-9]+(ms|s|m)$"})",
          .read = [form](const Node& node, Problems& problems) -> std::optional<SlowRate> {
            const std::string_view text = node.text;
            const std::size_t over = text.find(" over ");
            if (over != std::string_view::npos) {
              const auto rate = config::parse_share(text.substr(0, over));
              const auto limit = config::parse_duration(text.substr(over + 6));
              if (rate && limit) {
                return SlowRate{*rate, *limit};
              }
            }
            config::wrong(node, form, problems);
            return std::nullopt;
          }};
}

// The keys of a breaker before they are turned into parameters: `failures` alone is the pybreaker preset,
// a `window` or a rate makes it judge rates (DESIGN 4.3, "What policies mean").
struct Breaker {
  std::optional<std::uint32_t> failures;
  std::optional<Duration> reset;
  std::optional<resilience::WindowShape> window;
  std::optional<double> failure_rate;
  std::optional<SlowRate> slow;
  std::optional<std::uint32_t> half_open;
  std::optional<std::uint32_t> min_calls;
  std::optional<double> mult;
  std::optional<Duration> max;
  std::optional<double> jitter;
  std::optional<Duration> half_open_max;
};

const Spec<Breaker>& breaker_spec() {
  static const Spec<Breaker> spec = [] {
    Spec<Breaker> s("circuit_breaker");
    s.field("failures", config::integer(1, 1'000'000), &Breaker::failures,
            "failed attempts in a row that open it", "5");
    s.field("reset", config::duration(1ms, kLongest), &Breaker::reset,
            "how long it stays open before it probes", "60s");
    s.field("window", window(), &Breaker::window, "what rates are judged over", "10s when a rate is named");
    s.field("failure_rate", config::share(), &Breaker::failure_rate, "share of failures that opens it",
            "50%");
    s.field("slow_rate", slow_rate(), &Breaker::slow, "share of slow answers that opens it");
    s.field("half_open", config::integer(1, 1000), &Breaker::half_open,
            "probes at once, and successes that close it", "1");
    s.field("min_calls", config::integer(1, 1'000'000), &Breaker::min_calls,
            "calls below which no rate is judged", "20");
    s.field("mult", config::number(1, 100), &Breaker::mult, "growth of `reset` from opening to opening", "1");
    s.field("max", config::duration(1ms, kLongest), &Breaker::max, "longest `reset`",
            "the larger of reset and 60s");
    s.field("jitter", config::share(), &Breaker::jitter, "spread of `reset`", "0%");
    s.field("half_open_max", config::duration(1ms, kLongest), &Breaker::half_open_max,
            "longest time half-open without a verdict", "30s");
    return s;
  }();
  return spec;
}

resilience::BreakerConfig to_config(const Breaker& b) {
  const Duration reset = b.reset.value_or(60s);
  resilience::BreakerConfig config = resilience::preset::pybreaker(b.failures.value_or(5), reset);
  config.excluded_as = resilience::CountAs::ignore;
  if (b.window || b.failure_rate || b.slow) {
    config.consecutive = b.failures.value_or(0);
    config.window = b.window.value_or(resilience::WindowShape{});
    config.rate = b.failure_rate.value_or(b.slow ? 0.0 : 0.5);
    if (b.slow) {
      config.slow_rate = b.slow->rate;
      config.slow_call = b.slow->over;
    }
    config.min_calls = b.min_calls.value_or(20);
  }
  if (b.half_open) {
    config.probes_at_once = *b.half_open;
    config.close.n = *b.half_open;
  }
  config.mult = b.mult.value_or(1);
  config.max = b.max.value_or(std::max<Duration>(reset, 60s));
  config.jitter = b.jitter.value_or(0);
  config.half_open_max = b.half_open_max.value_or(30s);
  return config;
}

const Spec<resilience::BulkheadConfig>& bulkhead_spec() {
  static const Spec<resilience::BulkheadConfig> spec = [] {
    using resilience::BulkheadConfig;
    Spec<BulkheadConfig> s("bulkhead");
    s.field("concurrent", config::integer(1, 1'000'000), &BulkheadConfig::concurrent,
            "calls in flight, of all workers");
    s.field("queue", config::integer(0, 65'536), &BulkheadConfig::queue, "calls that may wait for a place",
            "0");
    s.field("wait", config::duration(1ms, 1h), &BulkheadConfig::wait, "how long one may wait", "100ms");
    s.required("concurrent");
    return s;
  }();
  return spec;
}

const Spec<resilience::OutlierConfig>& outlier_spec() {
  static const Spec<resilience::OutlierConfig> spec = [] {
    using resilience::OutlierConfig;
    Spec<OutlierConfig> s("outlier");
    s.field("consecutive_5xx", config::integer(1, 1000), &OutlierConfig::consecutive_5xx,
            "failures of one instance in a row that eject it", "5");
    s.field("eject", config::duration(1s, 1h), &OutlierConfig::eject,
            "how long, times the ejections in a row", "30s");
    return s;
  }();
  return spec;
}

const Spec<HealthConfig>& health_spec() {
  static const Spec<HealthConfig> spec = [] {
    Spec<HealthConfig> s("health");
    s.field_with<std::string>(
        "path", config::text(),
        [](HealthConfig& h, std::string path, const Node& node, Problems& problems) {
          std::string scratch;
          const auto normal = http::normalize_path(path, scratch);
          if (!path.starts_with('/') || !normal || path.find_first_of("?# ") != std::string::npos) {
            config::wrong(node, "a path such as /health", problems);
          }
          h.path = std::move(path);
        },
        "what is asked with GET", "/health");
    s.field("every", config::duration(1s, 1h), &HealthConfig::every, "how often each address is asked",
            "10s");
    s.field("timeout", config::duration(1ms, 1min), &HealthConfig::timeout, "for an answer", "2s");
    return s;
  }();
  return spec;
}

Kind<FixedUrl> url() {
  const std::string form = "an address such as http://127.0.0.1:9100";
  return {.form = form,
          .schema = R"({"type":"string","pattern":"^http://"})",
          .read = [form](const Node& node, Problems& problems) -> std::optional<FixedUrl> {
            std::string_view text = node.text;
            if (text.starts_with("https://")) {
              problems.add(node.place, "https to services is not in this build yet");
              return std::nullopt;
            }
            if (!text.starts_with("http://")) {
              config::wrong(node, form, problems);
              return std::nullopt;
            }
            text.remove_prefix(7);
            const std::size_t slash = std::min(text.find('/'), text.size());
            const auto authority = http::parse_authority(text.substr(0, slash));
            std::string path(text.substr(slash));
            while (path.ends_with('/')) {
              path.pop_back();
            }
            if (!authority || authority->host.empty() || path.find_first_of("?# ") != std::string::npos) {
              config::wrong(node, form, problems);
              return std::nullopt;
            }
            std::string_view host = authority->host;
            if (host.starts_with('[')) {
              host = host.substr(1, host.size() - 2);
            }
            return FixedUrl{std::string(host), authority->port.value_or(80), std::move(path)};
          }};
}

Kind<resilience::Balance> balance() {
  const std::string form = "one of least-request, round-robin, random, weighted";
  return {
      .form = form,
      .schema = R"({"enum":["least-request","round-robin","random","weighted"]})",
      .read = [form](const Node& node, Problems& problems) -> std::optional<resilience::Balance> {
        using resilience::Balance;
        for (const auto& [name, kind] : {std::pair{"least-request", Balance::least_request},
                                         {"round-robin", Balance::round_robin},
                                         {"random", Balance::random},
                                         {"weighted", Balance::weighted}}) {
          if (node.text == name) {
            return kind;
          }
        }
        if (node.text == "peak-ewma" || node.text.starts_with("hash(") || node.text.starts_with("maglev(")) {
          problems.add(node.place, fmt::format("'{}' is not in this build yet", node.text));
        } else {
          config::wrong(node, form, problems);
        }
        return std::nullopt;
      }};
}

void add_policies(Spec<ServiceConfig>& s) {
  s.field("timeout", config::duration(1ms, kLongest), &ServiceConfig::timeout,
          "of a call, over all attempts, until its answer begins", "5s");
  s.field("try_timeout", config::duration(1ms, kLongest), &ServiceConfig::try_timeout, "of one attempt",
          "what is left of timeout");
  s.field_with<Retry>(
      "retry", retry_spec().kind(),
      [](ServiceConfig& c, Retry, const Node& node, Problems& problems) {
        Retry retry{c.retry, c.retry_budget};  // a service overrides what it names
        retry_spec().read(node, retry, problems);
        c.retry = retry.policy;
        c.retry_budget = retry.budget;
      },
      "sending again");
  s.field("balance", balance(), &ServiceConfig::balance, "which instance is next", "least-request");
  s.field("pipelining", config::integer(1, http::ConnectionPool::kDeepest), &ServiceConfig::pipelining,
          "at most so many safe requests of one instant are sent together on one connection", "1");
  s.field_with<Breaker>(
      "circuit_breaker", breaker_spec().kind(),
      [](ServiceConfig& c, Breaker, const Node& node, Problems& problems) {
        Breaker breaker;
        if (breaker_spec().read(node, breaker, problems)) {
          const auto config = to_config(breaker);
          if (const auto checked = resilience::check(config); !checked) {
            problems.add(node.place, checked.error().message);
          }
          c.circuit_breaker = config;
        }
      },
      "stops calling what keeps failing", "none");
  s.field_with<resilience::BulkheadConfig>(
      "bulkhead", bulkhead_spec().kind({.concurrent = 0, .queue = 0, .wait = 100ms}),
      [](ServiceConfig& c, resilience::BulkheadConfig, const Node& node, Problems& problems) {
        resilience::BulkheadConfig bulkhead{.concurrent = 0, .queue = 0, .wait = 100ms};
        if (bulkhead_spec().read(node, bulkhead, problems)) {
          c.bulkhead = bulkhead;
        }
      },
      "at most so many calls at once", "none");
  s.field_with<config::Rate>(
      "rate_limit", config::rate(),
      [](ServiceConfig& c, config::Rate rate, const Node&, Problems&) {
        c.rate_limit = resilience::RateLimit{.count = rate.count, .period = rate.period};
      },
      "at most so many calls in a time, in bursts of as many", "none");
  s.field_with<resilience::OutlierConfig>(
      "outlier", outlier_spec().kind(),
      [](ServiceConfig& c, resilience::OutlierConfig, const Node& node, Problems& problems) {
        resilience::OutlierConfig outlier;
        outlier_spec().read(node, outlier, problems);
        c.outlier = outlier;
      },
      "takes failing instances out for a while", "none");
}

}  // namespace

const Spec<ServiceConfig>& service_spec() {
  static const Spec<ServiceConfig> spec = [] {
    Spec<ServiceConfig> s("a service");
    s.field_with<FixedUrl>(
        "url", url(), [](ServiceConfig& c, FixedUrl u, const Node&, Problems&) { c.urls = {std::move(u)}; },
        "a fixed address; without it the service is discovered by name");
    s.field("urls", config::list_of(url()), &ServiceConfig::urls, "fixed addresses");
    add_policies(s);
    s.field("fallback", fallbacks(), &ServiceConfig::fallbacks, "what is answered when a call fails", "none");
    s.field_with<HealthConfig>(
        "health", health_spec().kind(),
        [](ServiceConfig& c, HealthConfig, const Node& node, Problems& problems) {
          HealthConfig health;
          health_spec().read(node, health, problems);
          c.health = std::move(health);
        },
        "asked of each instance: one that does not answer 2xx gets no calls while another does", "none");
    return s;
  }();
  return spec;
}

const Spec<ServiceConfig>& defaults_spec() {
  static const Spec<ServiceConfig> spec = [] {
    Spec<ServiceConfig> s("defaults of services");
    add_policies(s);
    return s;
  }();
  return spec;
}

}  // namespace flotilla::call
