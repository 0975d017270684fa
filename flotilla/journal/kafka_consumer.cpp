#include "flotilla/journal/kafka_consumer.hpp"

#include <fmt/format.h>

namespace flotilla::journal::kafka {
namespace {

std::string text_of(const void* data, std::size_t size) {
  return size == 0 ? std::string() : std::string(static_cast<const char*>(data), size);
}

}  // namespace

Result<std::unique_ptr<Consumer>> Consumer::open(const Options& options, net::Loop& loop, Reaper& reaper,
                                                 ConsumerEvents events) {
  Settings settings{{"client.id", "flotilla"},
                    {"group.id", options.group},
                    {"auto.offset.reset", options.from_latest ? "latest" : "earliest"},
                    {"enable.auto.commit", "false"},
                    {"enable.auto.offset.store", "false"},
                    {"partition.assignment.strategy", "range,roundrobin"},
                    {"max.poll.interval.ms", std::to_string(kPollPatience / std::chrono::milliseconds(1))},
                    {"session.timeout.ms", "10000"},
                    {"heartbeat.interval.ms", "2000"},
                    {"queued.min.messages", "1000"},
                    {"queued.max.messages.kbytes", std::to_string(kMaxFetched >> 10)},
                    {"topic.metadata.refresh.interval.ms", "10000"},
                    {"reconnect.backoff.max.ms", "2000"},
                    {"allow.auto.create.topics", "true"}};
  add_access(settings, options.access);
  constexpr int kEvents =
      RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_ERROR;
  auto client = Client::open(RD_KAFKA_CONSUMER, settings, kEvents, loop, reaper);
  if (!client) {
    return std::unexpected(std::move(client.error()));
  }
  std::unique_ptr<Consumer> made(new Consumer(std::move(*client), std::move(events)));
  if (auto subscribed = made->subscribe(options.topics); !subscribed) {
    return std::unexpected(std::move(subscribed.error()));
  }
  return made;
}

Consumer::Consumer(std::unique_ptr<Client> client, ConsumerEvents events)
    : client_(std::move(client)), library_(client_->library()), events_(std::move(events)) {
  client_->serve([this](rd_kafka_event_t* event) { on_event(event); });
}

Result<> Consumer::subscribe(const std::vector<std::string>& topics) {
  rd_kafka_topic_partition_list_t* const list =
      library_.topic_partition_list_new(static_cast<int>(topics.size()));
  for (const std::string& topic : topics) {
    library_.topic_partition_list_add(list, topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  const rd_kafka_resp_err_t error = library_.subscribe(client_->handle(), list);
  library_.topic_partition_list_destroy(list);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return fail(Errc::unavailable,
                fmt::format("the topics cannot be subscribed to: {}", library_.err2str(error)));
  }
  return {};
}

void Consumer::commit(std::span<const PartitionOffset> offsets) {
  rd_kafka_topic_partition_list_t* const list =
      library_.topic_partition_list_new(static_cast<int>(offsets.size()));
  for (const PartitionOffset& each : offsets) {
    library_.topic_partition_list_add(list, each.topic.c_str(), each.partition)->offset = each.offset;
  }
  const rd_kafka_resp_err_t error =
      library_.commit_queue(client_->handle(), list, client_->queue(), nullptr, nullptr);
  library_.topic_partition_list_destroy(list);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    events_.on_committed(false, library_.err2str(error));
  }
}

void Consumer::release() {
  (void)library_.assign(client_->handle(), nullptr);
  note_closed();
}

void Consumer::close() {
  closing_ = true;
  client_->hold(false);
  if (rd_kafka_error_t* const error = library_.consumer_close_queue(client_->handle(), client_->queue())) {
    library_.error_destroy(error);  // it is closed already
  }
  note_closed();
}

void Consumer::look() {
  client_->look();
  note_closed();
}

void Consumer::note_closed() {
  if (closing_ && !closed_ && library_.consumer_closed(client_->handle()) != 0) {
    closed_ = true;
    events_.on_closed();
  }
}

void Consumer::on_rebalance(rd_kafka_event_t* event) {
  if (library_.event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    const rd_kafka_topic_partition_list_t* const list = library_.event_topic_partition_list(event);
    std::vector<PartitionOffset> partitions;
    for (int i = 0; i < list->cnt; ++i) {
      partitions.push_back({.topic = list->elems[i].topic, .partition = list->elems[i].partition});
    }
    (void)library_.assign(client_->handle(), list);
    events_.on_assigned(std::move(partitions));
    return;
  }
  events_.on_revoked(library_.assignment_lost(client_->handle()) != 0);
}

void Consumer::on_event(rd_kafka_event_t* event) {
  switch (library_.event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
      while (const rd_kafka_message_t* const message = library_.event_message_next(event)) {
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
          continue;  // not in this queue, but for its end, which nobody asked for
        }
        Incoming incoming{.topic = library_.topic_name(message->rkt),
                          .partition = message->partition,
                          .offset = message->offset,
                          .value = text_of(message->payload, message->len)};
        rd_kafka_timestamp_type_t kind{};
        incoming.timestamp_ms = library_.message_timestamp(message, &kind);
        if (message->key != nullptr) {
          incoming.key = text_of(message->key, message->key_len);
        }
        rd_kafka_headers_t* headers = nullptr;
        if (library_.message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
          const char* name = nullptr;
          const void* value = nullptr;
          std::size_t size = 0;
          for (std::size_t i = 0;
               library_.header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
            incoming.headers.emplace_back(name, text_of(value, size));
          }
        }
        events_.on_message(std::move(incoming));
      }
      break;
    case RD_KAFKA_EVENT_REBALANCE:
      on_rebalance(event);
      break;
    case RD_KAFKA_EVENT_OFFSET_COMMIT: {
      const rd_kafka_resp_err_t error = library_.event_error(event);
      const bool done = error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET;
      events_.on_committed(done, done ? std::string() : library_.err2str(error));
      break;
    }
    default:
      if (const rd_kafka_resp_err_t error = library_.event_error(event);
          error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        events_.on_trouble(library_.event_error_string(event));
      }
      break;
  }
  note_closed();
}

}  // namespace flotilla::journal::kafka
