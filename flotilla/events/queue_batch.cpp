#include "flotilla/events/queue_batch.hpp"

#include <fmt/format.h>

#include "flotilla/base/sha256.hpp"

namespace flotilla::events {
namespace {

std::string body_of(const queue_effect::Append& append) {
  switch (append.type) {
    case QueueRecord::accepted:
      return encode(*append.accepted);
    case QueueRecord::sending:
      return encode(append.sending);
    case QueueRecord::outcome:
      return encode(append.outcome);
    case QueueRecord::requeued:
    case QueueRecord::removed:
      break;
  }
  return encode(append.person);
}

}  // namespace

QueuePtr make_queue(const ServiceName& service, const call::QueueFallback& fallback) {
  return std::make_shared<const Queue>(Queue{.service = service,
                                             .fallback = fallback,
                                             .policy = {.name = fallback.name,
                                                        .items = fallback.items,
                                                        .bytes = fallback.bytes,
                                                        .age = fallback.age,
                                                        .timeout = fallback.timeout,
                                                        .concurrency = fallback.concurrency,
                                                        .retry = fallback.retry,
                                                        .deduplicates = fallback.deduplicates}});
}

std::string queue_key_scope(std::string_view queue) { return fmt::format("queue-key/{}", queue); }

std::string queue_claim(const http::Request& request, std::string_view idempotency_key) {
  return to_hex(sha256(fmt::format("{}\n{}\n{}", request.headers.get("Authorization").value_or(""),
                                   request.headers.get("Cookie").value_or(""), idempotency_key)));
}

journal::Hash hash_of(const http::Request& request) {
  return sha256(fmt::format("{} {}\n{}", request.method, request.target, request.body));
}

journal::Batch make_batch(const queue_effect::Append& append, const Queue& queue, journal::UtcMillis time) {
  const QueueItem& item = append.item;
  const bool fresh = append.type == QueueRecord::accepted;
  journal::Batch batch{.time = time};
  const journal::StreamRef stream = fresh ? batch.create() : journal::StreamRef(item.stream);
  batch.appends.push_back(
      {.record_class = journal::RecordClass::queue,
       .stream = stream,
       .expected = item.version - 1,
       .records = {
           {.type = static_cast<std::uint16_t>(append.type), .body = body_of(append), .category = {}}}});
  batch.summaries.push_back({.record_class = journal::RecordClass::queue,
                             .stream = stream,
                             .name = queue.name(),
                             .state = std::string(to_string(item.state)),
                             .attributes = to_attributes(item)});
  const std::string scope = queue_key_scope(queue.name());
  if (fresh) {
    batch.claims.push_back(
        {.scope = std::string(kQueueIds), .key = item.id.text(), .holder = stream, .expires = {}});
    if (!item.claim.empty()) {
      batch.claims.push_back({.scope = scope,
                              .key = item.claim,
                              .holder = stream,
                              .hash = hash_of(append.accepted->request),
                              .expires = {}});
    }
    return batch;
  }
  const bool over = item.state == QueueState::done || item.state == QueueState::removed;
  const journal::UtcMillis kept(time.value() + to_millis(queue.fallback.keep));
  if (over) {
    batch.expiries.push_back(
        {.scope = std::string(kQueueIds), .key = item.id.text(), .holder = item.stream, .expires = kept});
  }
  if (!item.claim.empty() && (over || item.state == QueueState::dead)) {
    batch.expiries.push_back({.scope = scope,
                              .key = item.claim,
                              .holder = item.stream,
                              .expires = item.state == QueueState::done ? kept : time});
  }
  return batch;
}

}  // namespace flotilla::events
