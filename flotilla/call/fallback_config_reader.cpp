#include "flotilla/call/fallback_config_reader.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::call {
namespace {

using namespace std::chrono_literals;
using config::Kind;
using config::Node;
using config::Problems;
using config::Spec;

const Spec<RespondFallback>& respond_spec() {
  static const Spec<RespondFallback> spec = [] {
    Spec<RespondFallback> s("respond");
    s.field_with<std::uint32_t>(
        "status", config::integer(200, 599),
        [](RespondFallback& r, std::uint32_t n, const Node&, Problems&) {
          r.status = static_cast<std::uint16_t>(n);
        },
        "status of the answer", "200; 202 behind `queue`");
    s.field_with<std::string>(
        "body", config::json_value(),
        [](RespondFallback& r, const std::string& json, const Node& node, Problems&) {
          const bool plain = node.kind == Node::Kind::scalar;
          r.body = plain ? node.text : json;
          r.headers.emplace_back("Content-Type", plain ? "text/plain; charset=utf-8" : "application/json");
        },
        "text, or a value sent as JSON");
    return s;
  }();
  return spec;
}

bool is_queue_name(std::string_view name) {
  const auto good = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= kMostQueueName && name != "." && name != ".." &&
         std::ranges::all_of(name, good);
}

void take_name(QueueFallback& queue, std::string name, const Node& node, Problems& problems) {
  if (!is_queue_name(name)) {
    problems.add(
        node.place,
        fmt::format("'{}' cannot be the name of a queue: it is letters, digits, '.', '_' and '-', at "
                    "most {}",
                    name.substr(0, kMostQueueName), kMostQueueName));
    return;
  }
  queue.name = std::move(name);
}

const Spec<resilience::RetryPolicy>& queue_retry_spec() {
  static const Spec<resilience::RetryPolicy> spec = [] {
    Spec<resilience::RetryPolicy> s("retry of a queue; the answer says what is tried again");
    s.field("attempts", config::integer(1, 100), &resilience::RetryPolicy::attempts,
            "attempts that may have reached the service, the first included", "20");
    s.field_with<config::DurationRange>(
        "backoff", config::duration_range(),
        [](resilience::RetryPolicy& r, config::DurationRange range, const Node&, Problems&) {
          r.first = range.first;
          r.cap = range.last;
        },
        "ceiling of the first pause, and of all; the pause is drawn below it", "1s..5m");
    s.field("factor", config::number(1, 100), &resilience::RetryPolicy::factor, "growth of the ceiling", "2");
    return s;
  }();
  return spec;
}

void take_key(QueueFallback& queue, const std::string& text, const Node& node, Problems& problems) {
  auto program = expr::compile(text);
  if (!program) {
    problems.add(node.place, "key: " + program.error().to_error().message);
    return;
  }
  queue.key = std::move(*program);
}

const Spec<QueueFallback>& queue_spec() {
  static const Spec<QueueFallback> spec = [] {
    Spec<QueueFallback> s("a queue for later");
    s.field_with<std::string>("name", config::text(), &take_name, "of the queue, which is this service's");
    s.field_with<std::string>("key", config::text(), &take_key,
                              "an expression over the body: calls of one key are carried out in order",
                              "none: they wait for nobody");
    s.field("items", config::integer(1, 1'000'000), &QueueFallback::items,
            "calls that may wait, dead letters included; beyond it they are refused with 503", "10000");
    s.field("bytes", config::size(1024, std::uint64_t{16} << 30), &QueueFallback::bytes,
            "of calls that wait; beyond it they are refused with 503", "64MiB");
    s.field("age", config::duration(1s, 24h * 365), &QueueFallback::age,
            "how long a call may wait; then it is a dead letter", "1d");
    s.field("keep", config::duration(1min, 24h * 3650), &QueueFallback::keep,
            "how long the result of a call that is done can be asked for", "7d");
    s.field_with<config::Rate>(
        "drain", config::rate(),
        [](QueueFallback& q, config::Rate rate, const Node&, Problems&) {
          q.drain = static_cast<double>(rate.count) / (static_cast<double>(rate.period.count()) / 1e9);
        },
        "how fast it is carried out at least, where a tenth of the live calls is less", "1/s");
    s.field("concurrency", config::integer(1, 256), &QueueFallback::concurrency, "attempts under way at once",
            "4");
    s.field("timeout", config::duration(1ms, 10min), &QueueFallback::timeout, "of one attempt", "5s");
    s.field_with<resilience::RetryPolicy>(
        "retry", queue_retry_spec().kind(QueueFallback{}.retry),
        [](QueueFallback& q, resilience::RetryPolicy retry, const Node&, Problems&) { q.retry = retry; },
        "sending again");
    s.field_with<std::string>(
        "idempotent", config::one_of({"key", "no"}),
        [](QueueFallback& q, const std::string& word, const Node&, Problems&) {
          q.deduplicates = word == "key";
        },
        "key: the service acts once for each Idempotency-Key, also for those that the queue makes up", "no");
    s.field("probe", config::boolean(), &QueueFallback::probe,
            "whether one call is tried when the breaker's wait is over; without, others must close it",
            "true");
    s.required("name");
    return s;
  }();
  return spec;
}

Kind<QueueFallback> queue() {
  const std::string form = "the name of a queue, or a mapping with name";
  return {.form = form,
          .schema = fmt::format(R"({{"anyOf":[{{"type":"string"}},{}]}})", queue_spec().schema()),
          .read = [form](const Node& node, Problems& problems) -> std::optional<QueueFallback> {
            QueueFallback made;
            made.written = config::to_json(node);
            if (node.kind == Node::Kind::scalar) {
              take_name(made, node.text, node, problems);
              return made;
            }
            if (node.kind != Node::Kind::map) {
              config::wrong(node, form, problems);
              return std::nullopt;
            }
            return queue_spec().read(node, made, problems) ? std::optional(std::move(made)) : std::nullopt;
          },
          .reference = [](const std::string& prefix) { return queue_spec().reference(prefix); }};
}

void add_respond(std::vector<Fallback>& all, const Node::Entry& entry, Problems& problems) {
  const auto queued = std::ranges::find_if(
      all, [](const Fallback& each) { return std::holds_alternative<QueueFallback>(each); });
  const bool behind = queued != all.end();
  RespondFallback respond{.status = behind ? std::uint16_t{202} : std::uint16_t{200}};
  respond_spec().read(entry.value, respond, problems);
  if (!behind) {
    all.emplace_back(std::move(respond));
    return;
  }
  if (respond.status >= 300) {
    problems.add(entry.place,
                 "behind `queue` it is what a call is answered that will be carried out: a status "
                 "from 200 to 299");
  }
  std::get<QueueFallback>(*queued).pending = std::move(respond);
}

void add_queue(std::vector<Fallback>& all, const Node::Entry& entry, Problems& problems) {
  if (std::ranges::any_of(
          all, [](const Fallback& each) { return std::holds_alternative<RespondFallback>(each); })) {
    problems.add(
        entry.place,
        "`respond` stands before it and always answers: write `queue` first, and `respond` is what is "
        "answered for a call that was queued");
    return;
  }
  if (auto made = queue().read(entry.value, problems)) {
    all.emplace_back(std::move(*made));
  }
}

}  // namespace

Kind<std::vector<Fallback>> fallbacks() {
  const std::string form = "a mapping of queue, respond, stale or service";
  return {
      .form = form,
      .schema = fmt::format(
          R"({{"type":"object","additionalProperties":false,"properties":{{"queue":{},"respond":{},"stale":{{"type":"string"}},"service":{{"type":"string"}}}}}})",
          queue().schema, respond_spec().schema()),
      .read = [form](const Node& node, Problems& problems) -> std::optional<std::vector<Fallback>> {
        if (node.kind != Node::Kind::map) {
          config::wrong(node, form, problems);
          return std::nullopt;
        }
        std::vector<Fallback> all;
        for (const Node::Entry& entry : node.entries) {
          if (entry.key == "respond") {
            add_respond(all, entry, problems);
          } else if (entry.key == "queue") {
            add_queue(all, entry, problems);
          } else if (entry.key == "stale") {
            if (const auto longest = config::duration(1s, 24h * 30).read(entry.value, problems)) {
              all.emplace_back(StaleFallback{*longest});
            }
          } else if (entry.key == "service") {
            if (auto name = config::text().read(entry.value, problems)) {
              all.emplace_back(ServiceFallback{ServiceName(*name)});
            }
          } else {
            problems.add(
                entry.place,
                fmt::format("unknown fallback '{}'; known are queue, respond, stale, service", entry.key));
          }
        }
        return all;
      },
      .reference = [](const std::string& prefix) { return queue_spec().reference(prefix + "queue."); }};
}

}  // namespace flotilla::call
