// What a producer and a consumer of Kafka have in common: a client of librdkafka whose events arrive on a
// loop.
//
// librdkafka has threads of its own; none of them calls us, but for its log. It writes to a descriptor that
// the loop watches when a queue has something, and the loop takes it from there, so all that is ours runs on
// the loop. For: kafka_producer.hpp, kafka_consumer.hpp. Ownership: owns the client; ending one takes its
// threads a moment, so a Reaper does that aside. Threads: the loop's; a Reaper's destructor blocks until all
// have ended. Limits: kMaxEventsAtOnce events of the queue a turn.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/kafka_access.hpp"
#include "flotilla/journal/kafka_library.hpp"
#include "flotilla/net/loop.hpp"

namespace flotilla::journal::kafka {

inline constexpr std::size_t kMaxEventsAtOnce = 500;

// Ends clients on threads of their own.
class Reaper {
 public:
  Reaper() = default;
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;
  ~Reaper() = default;  // waits
  void end(const Library& library, rd_kafka_t* client);

 private:
  std::vector<std::jthread> threads_;
};

using Settings = std::vector<std::pair<const char*, std::string>>;

// The settings of librdkafka that say so.
void add_access(Settings& settings, const Access& access);

class Client {
 public:
  // The event is lent for the call.
  using Handler = std::move_only_function<void(rd_kafka_event_t*)>;

  // Errors: unsupported (no librdkafka, or not these settings), unavailable. `events`: a mask of
  // RD_KAFKA_EVENT_*.
  [[nodiscard]] static Result<std::unique_ptr<Client>> open(rd_kafka_type_t type, const Settings& settings,
                                                            int events, net::Loop& loop, Reaper& reaper);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // From now on events go to `handler`, which must not destroy this.
  void serve(Handler handler);
  // While held nothing is taken from the queue. Letting go takes up what has come meanwhile.
  void hold(bool held);
  // Takes what there is without having been told: a consumer that does not ask is thought dead.
  void look() { serve_soon(); }

  [[nodiscard]] const Library& library() const noexcept { return library_; }
  [[nodiscard]] rd_kafka_t* handle() const noexcept { return client_; }
  [[nodiscard]] rd_kafka_queue_t* queue() const noexcept { return queue_; }

 private:
  class Bell;
  Client(const Library& library, net::Loop& loop, Reaper& reaper, rd_kafka_t* client, bool consumer,
         std::unique_ptr<Bell> bell);
  void serve_soon();
  void serve_some();

  const Library& library_;
  net::Loop& loop_;
  Reaper& reaper_;
  rd_kafka_t* client_;
  rd_kafka_queue_t* queue_;
  std::unique_ptr<Bell> bell_;  // owns the descriptor
  Handler handler_;
  bool held_ = false;
  bool posted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what is posted
};

}  // namespace flotilla::journal::kafka
