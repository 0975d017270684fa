// A producer of Kafka: messages out, each answered once, in order within a partition or not at all.
//
// Idempotent, acknowledged by all in-sync replicas, and without a time limit of its own: while no broker is
// there messages wait. A message that fails makes the whole producer fail before any later one of its
// partition can overtake it (enable.gapless.guarantee): then on_fatal is called, and another producer has to
// send what was not confirmed. Ownership: owns its client; the reaper outlives it. Threads: one loop's; it is
// not destroyed from within its callbacks. Limits: kMaxQueued messages of kMaxQueuedBytes; at the bound
// send() says so.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/kafka_message.hpp"
#include "flotilla/journal/kafka_client.hpp"

namespace flotilla::journal::kafka {

inline constexpr std::size_t kMaxQueued = 100'000;
inline constexpr std::size_t kMaxQueuedBytes = std::size_t{128} << 20;

struct ProducerEvents {
  // Of a message that send() took. `why` is empty where it is confirmed.
  std::move_only_function<void(std::uint64_t token, Delivery delivery, std::string why)> on_delivery;
  // Every message has its answer, and nothing more is sent: open another one.
  std::move_only_function<void(std::string why)> on_fatal;
  // No broker can be reached; goes by itself.
  std::move_only_function<void(std::string why)> on_trouble;
};

class Producer {
 public:
  // Errors: those of Client::open.
  [[nodiscard]] static Result<std::unique_ptr<Producer>> open(const Access& access, net::Loop& loop,
                                                              Reaper& reaper, ProducerEvents events);
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;
  ~Producer();

  // Confirmed means taken; refused and lost are answers, and on_delivery is not called.
  [[nodiscard]] std::pair<Delivery, std::string> send(const Outgoing& message, std::uint64_t token);

 private:
  Producer(std::unique_ptr<Client> client, ProducerEvents events);
  void on_event(rd_kafka_event_t* event);
  void look_for_end();
  void purge();
  [[nodiscard]] std::string describe(rd_kafka_resp_err_t error) const;

  std::unique_ptr<Client> client_;
  const Library& library_;
  ProducerEvents events_;
  std::uint64_t outstanding_ = 0;  // taken and not answered
  bool failed_ = false;
  bool ended_ = false;
};

}  // namespace flotilla::journal::kafka
