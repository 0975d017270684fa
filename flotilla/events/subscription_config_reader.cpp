#include "flotilla/events/subscription_config_reader.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "flotilla/config/spec.hpp"
#include "flotilla/events/core/topic.hpp"

namespace flotilla::events {
namespace {

using config::Kind;
using config::Node;
using config::Problems;
using config::Spec;

constexpr Duration kShortestTimeout = std::chrono::milliseconds(1);
constexpr Duration kLongestTimeout = std::chrono::minutes(10);

// What `deliver` is made of.
struct Delivery {
  std::string call;
  std::optional<Duration> timeout;
};

const Spec<Delivery>& delivery_spec() {
  static const Spec<Delivery> spec = [] {
    Spec<Delivery> s("where events go");
    s.field("call", config::text(), &Delivery::call, "METHOD service/path");
    s.field_with<Duration>(
        "timeout", config::duration(kShortestTimeout, kLongestTimeout),
        [](Delivery& d, Duration timeout, const Node&, Problems&) { d.timeout = timeout; }, "of one attempt",
        "5s");
    s.required("call");
    return s;
  }();
  return spec;
}

Kind<Delivery> delivery() {
  const std::string form = "METHOD service/path, or a mapping with call";
  return {.form = form,
          .schema = fmt::format(R"({{"anyOf":[{{"type":"string"}},{}]}})", delivery_spec().schema()),
          .read = [form](const Node& node, Problems& problems) -> std::optional<Delivery> {
            if (node.kind == Node::Kind::scalar) {
              return Delivery{.call = node.text, .timeout = {}};
            }
            if (node.kind != Node::Kind::map) {
              config::wrong(node, form, problems);
              return std::nullopt;
            }
            Delivery draft;
            return delivery_spec().read(node, draft, problems) ? std::optional(std::move(draft))
                                                               : std::nullopt;
          },
          .reference = [](const std::string& prefix) { return delivery_spec().reference(prefix); }};
}

const Spec<resilience::RetryPolicy>& retry_spec() {
  static const Spec<resilience::RetryPolicy> spec = [] {
    Spec<resilience::RetryPolicy> s("retry of a subscription; the answer says what is tried again");
    s.field("attempts", config::integer(1, 100), &resilience::RetryPolicy::attempts,
            "attempts, the first included", "16");
    s.field_with<config::DurationRange>(
        "backoff", config::duration_range(),
        [](resilience::RetryPolicy& r, config::DurationRange range, const Node&, Problems&) {
          r.first = range.first;
          r.cap = range.last;
        },
        "ceiling of the first pause, and of all; the pause is drawn below it", "200ms..1m");
    s.field("factor", config::number(1, 100), &resilience::RetryPolicy::factor, "growth of the ceiling", "2");
    return s;
  }();
  return spec;
}

// The name of a topic, anywhere in a subscription.
void take_topic(std::string& into, std::string name, const Node& node, Problems& problems) {
  if (!is_topic_name(name)) {
    problems.add(node.place,
                 fmt::format("'{}' cannot be the name of a topic: it is letters, digits, '.', '_' and '-', "
                             "at most {}",
                             name.substr(0, kMaxTopicName), kMaxTopicName));
    return;
  }
  into = std::move(name);
}

void take_delivery(Subscription& s, const Delivery& delivery, const Node& node, Problems& problems) {
  auto call = call::CallTemplate::parse(delivery.call);
  if (!call) {
    problems.add(node.place, "deliver: " + call.error().message);
    return;
  }
  if (!call->parameters().empty()) {
    problems.add(node.place,
                 fmt::format("deliver: '{{{}}}' is a parameter of a route, and there is none; the event's "
                             "data is `.`, as in {{.id}}",
                             call->parameters().front()));
    return;
  }
  for (const std::string_view name : {"path", "query", "headers", "body"}) {
    if (call->mentions(name)) {
      problems.add(node.place, fmt::format("deliver: there is no request, so no ${}", name));
      return;
    }
  }
  if (call->method() == "GET" || call->method() == "HEAD") {
    problems.add(node.place, "deliver: an event is sent with a body, so by POST, PUT or PATCH");
    return;
  }
  const auto is_hole = [](const call::TemplatePart& part) {
    return part.kind != call::TemplatePart::Kind::literal;
  };
  s.has_holes = std::ranges::any_of(call->path(), is_hole) || std::ranges::any_of(call->query(), is_hole);
  s.deliver = std::move(*call);
  if (delivery.timeout) {
    s.policy.timeout = *delivery.timeout;
  }
}

void take_filter(Subscription& s, const std::string& text, const Node& node, Problems& problems) {
  static constexpr std::array<std::string_view, 1> kVariables{"event"};
  auto program = expr::compile(text, kVariables);
  if (!program) {
    problems.add(node.place, "filter: " + program.error().to_error().message);
    return;
  }
  s.filter_text = text;
  s.filter = std::move(*program);
}

template <std::string SubscriptionPolicy::* Member>
auto topic_of() {
  return [](Subscription& s, std::string name, const Node& node, Problems& problems) {
    take_topic(s.policy.*Member, std::move(name), node, problems);
  };
}

Spec<Subscription> subscription_spec() {
  using Policy = SubscriptionPolicy;
  Spec<Subscription> s("a subscription");
  s.field_with<std::string>("topic", config::text(), topic_of<&Policy::topic>(), "whose events");
  s.field_with<Delivery>("deliver", delivery(), &take_delivery, "where they go, one request an event");
  s.field_with<std::string>(
      "order_by", config::one_of({"key", "none"}),
      [](Subscription& sub, const std::string& word, const Node&, Problems&) {
        sub.policy.order_by = *parse_order_by(word);
      },
      "key: of each key one at a time, in order; keys beside each other", "key");
  s.field_with<std::uint32_t>(
      "concurrency", config::integer(1, kMaxConcurrency),
      [](Subscription& sub, std::uint32_t n, const Node&, Problems&) { sub.policy.concurrency = n; },
      "attempts under way at once", "16");
  s.field_with<std::string>("filter", config::text(), &take_filter,
                            "an expression over the data, with $event: false and null are not delivered",
                            "all");
  s.field_with<std::string>(
      "from", config::one_of({"latest", "earliest"}),
      [](Subscription& sub, const std::string& word, const Node&, Problems&) {
        sub.from_start = word == "earliest";
      },
      "where it begins when it is new; afterwards it goes on where it was", "latest");
  s.field_with<resilience::RetryPolicy>(
      "retry", retry_spec().kind(SubscriptionPolicy{}.retry),
      [](Subscription& sub, resilience::RetryPolicy retry, const Node&, Problems&) {
        sub.policy.retry = retry;
      },
      "sending again");
  s.field_with<Duration>(
      "ack_timeout", config::duration(std::chrono::milliseconds(100), kMaxAckTimeout),
      [](Subscription& sub, Duration timeout, const Node&, Problems&) { sub.policy.ack_timeout = timeout; },
      "how long a 202 may wait for its acknowledgement", "30s");
  s.field_with<std::string>("dead_letter", config::text(), topic_of<&Policy::dead_letter>(),
                            "the topic of events that could not be delivered", "`TOPIC.dead`");
  s.field_with<std::string>(
      "after_dead_letter", config::one_of({"skip", "block-key", "park-key"}),
      [](Subscription& sub, const std::string& word, const Node&, Problems&) {
        sub.policy.after_dead_letter = *parse_after_dead_letter(word);
      },
      "what becomes of later events of its key: they go on, wait, or follow it", "skip");
  s.field_with<std::string>("on_success", config::text(), topic_of<&Policy::on_success>(),
                            "a topic that gets the answer's JSON object, or else the data", "none");
  s.field_with<std::string>("on_failure", config::text(), topic_of<&Policy::on_failure>(),
                            "a topic that gets the data of what was refused, with `error: {status, body}`",
                            "none");
  s.required("topic").required("deliver");
  return s;
}

}  // namespace

std::vector<SubscriptionPtr> read_subscriptions(const Node& node, Problems& problems) {
  if (node.kind != Node::Kind::map) {
    config::wrong(node, "a mapping of names to subscriptions", problems);
    return {};
  }
  if (node.entries.size() > kMaxSubscriptions) {
    problems.add(node.place, fmt::format("{} subscriptions, at most {} can be declared", node.entries.size(),
                                         kMaxSubscriptions));
    return {};
  }
  std::vector<SubscriptionPtr> all;
  for (const Node::Entry& entry : node.entries) {
    if (auto made = read_subscription(entry.key, entry.place, entry.value, problems)) {
      all.push_back(std::make_shared<const Subscription>(*std::move(made)));
    }
  }
  return all;
}

std::optional<Subscription> read_subscription(const std::string& name, config::Place at, const Node& node,
                                              Problems& problems) {
  if (!is_topic_name(name)) {
    problems.add(
        at, fmt::format("'{}' cannot be the name of a subscription: it is letters, digits, '.', '_' and '-', "
                        "at most {}",
                        name.substr(0, kMaxSubscriptionName), kMaxSubscriptionName));
    return std::nullopt;
  }
  static const Spec<Subscription> spec = subscription_spec();
  Subscription made;
  made.policy.name = name;
  made.written = config::to_json(node);
  if (!spec.read(node, made, problems)) {
    return std::nullopt;
  }
  if (made.policy.dead_letter.empty()) {
    made.policy.dead_letter = made.policy.topic + ".dead";
  }
  if (!is_topic_name(made.policy.dead_letter)) {
    problems.add(at, fmt::format("'{}' is too long for the name of a topic: name a `dead_letter`",
                                 made.policy.dead_letter));
    return std::nullopt;
  }
  if (const auto good = check(made.policy); !good) {
    problems.add(at, good.error().message);
    return std::nullopt;
  }
  return made;
}

std::string subscription_schema() { return subscription_spec().schema(); }
std::string subscription_reference() { return subscription_spec().reference(); }

}  // namespace flotilla::events
