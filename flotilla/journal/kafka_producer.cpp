#include "flotilla/journal/kafka_producer.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace flotilla::journal::kafka {
namespace {

Delivery judge(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return Delivery::confirmed;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
      return Delivery::refused;
    default:
      return Delivery::lost;
  }
}

rd_kafka_vu_t memory(rd_kafka_vtype_t type, std::string_view bytes) {
  rd_kafka_vu_t field{};
  field.vtype = type;
  field.u.mem.ptr = const_cast<char*>(bytes.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast): copied
  field.u.mem.size = bytes.size();
  return field;
}

}  // namespace

Result<std::unique_ptr<Producer>> Producer::open(const Access& access, net::Loop& loop, Reaper& reaper,
                                                 ProducerEvents events) {
  Settings settings{{"client.id", "flotilla"},
                    {"enable.idempotence", "true"},
                    {"enable.gapless.guarantee", "true"},
                    {"acks", "all"},
                    {"message.timeout.ms", "0"},
                    // Java's: so that what others produce with a key lies beside what we do.
                    {"partitioner", "murmur2_random"},
                    {"queue.buffering.max.messages", std::to_string(kMaxQueued)},
                    {"queue.buffering.max.kbytes", std::to_string(kMaxQueuedBytes >> 10)},
                    {"message.max.bytes", "2000000"},  // the broker judges
                    {"linger.ms", "2"},
                    {"reconnect.backoff.max.ms", "2000"},
                    {"allow.auto.create.topics", "true"}};
  add_access(settings, access);
  auto client =
      Client::open(RD_KAFKA_PRODUCER, settings, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR, loop, reaper);
  if (!client) {
    return std::unexpected(std::move(client.error()));
  }
  return std::unique_ptr<Producer>(new Producer(std::move(*client), std::move(events)));
}

Producer::Producer(std::unique_ptr<Client> client, ProducerEvents events)
    : client_(std::move(client)), library_(client_->library()), events_(std::move(events)) {
  client_->serve([this](rd_kafka_event_t* event) { on_event(event); });
}

Producer::~Producer() { purge(); }

std::string Producer::describe(rd_kafka_resp_err_t error) const {
  return fmt::format("{} ({})", library_.err2str(error), library_.err2name(error));
}

std::pair<Delivery, std::string> Producer::send(const Outgoing& message, std::uint64_t token) {
  rd_kafka_headers_t* const headers = library_.headers_new(message.headers.size());
  for (const auto& [name, value] : message.headers) {
    library_.header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  std::array<rd_kafka_vu_t, 6> fields{};
  std::size_t count = 0;
  fields[count].vtype = RD_KAFKA_VTYPE_TOPIC;
  fields[count++].u.cstr = message.topic.c_str();
  fields[count++] = memory(RD_KAFKA_VTYPE_VALUE, message.value);
  fields[count].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  fields[count++].u.i = RD_KAFKA_MSG_F_COPY;
  fields[count].vtype = RD_KAFKA_VTYPE_OPAQUE;
  fields[count++].u.ptr = reinterpret_cast<void*>(token);  // NOLINT(performance-no-int-to-ptr): a number
  fields[count].vtype = RD_KAFKA_VTYPE_HEADERS;
  fields[count++].u.headers = headers;
  if (message.key) {
    fields[count++] = memory(RD_KAFKA_VTYPE_KEY, *message.key);
  }
  rd_kafka_error_t* const error = library_.produceva(client_->handle(), fields.data(), count);
  if (error == nullptr) {
    ++outstanding_;
    return {Delivery::confirmed, {}};
  }
  library_.headers_destroy(headers);
  const Delivery delivery = judge(library_.error_code(error));
  std::string why = library_.error_string(error);
  library_.error_destroy(error);
  return {delivery, std::move(why)};
}

void Producer::on_event(rd_kafka_event_t* event) {
  if (library_.event_type(event) == RD_KAFKA_EVENT_DR) {
    while (const rd_kafka_message_t* const message = library_.event_message_next(event)) {
      const Delivery delivery = judge(message->err);
      --outstanding_;
      events_.on_delivery(reinterpret_cast<std::uint64_t>(message->_private), delivery,
                          delivery == Delivery::confirmed ? std::string() : describe(message->err));
    }
  } else {
    const rd_kafka_resp_err_t error = library_.event_error(event);
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || error == RD_KAFKA_RESP_ERR__RESOLVE ||
        error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR__SSL) {
      events_.on_trouble(library_.event_error_string(event));
    }
  }
  look_for_end();
}

// Which of the events says so depends on the error; the client always knows. The end is told when every
// message has its answer: one of them says what was wrong.
void Producer::look_for_end() {
  std::array<char, 512> why{};
  const rd_kafka_resp_err_t fatal = library_.fatal_error(client_->handle(), why.data(), why.size());
  if (fatal == RD_KAFKA_RESP_ERR_NO_ERROR) {
    return;
  }
  if (!std::exchange(failed_, true)) {
    purge();
  }
  if (outstanding_ == 0 && !std::exchange(ended_, true)) {
    events_.on_fatal(fmt::format("{}: {}", library_.err2name(fatal), why.data()));
  }
}

void Producer::purge() {
  library_.purge(client_->handle(),
                 RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

}  // namespace flotilla::journal::kafka
