// A member of a consumer group of Kafka.
//
// It takes part in the group, and leaves to its user what to do: a message is told once, offsets are
// committed when the user says so, and a partition that is taken away is kept until the user lets go of it.
// The group's protocol is the eager one: a rebalance takes all away and gives anew. Ownership: owns its
// client; the reaper outlives it. Threads: one loop's; it is not destroyed from within its callbacks. Limits:
// kMaxFetched bytes of messages wait inside; while held, nothing is told and the group waits, for
// kPollPatience at most, then its partitions are given away.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "flotilla/base/time.hpp"
#include "flotilla/journal/kafka_producer.hpp"

namespace flotilla::journal::kafka {

inline constexpr std::size_t kMaxFetched = std::size_t{16} << 20;
inline constexpr Duration kPollPatience = std::chrono::minutes(5);
// How often look() has to be called, at least.
inline constexpr Duration kLookEvery = std::chrono::seconds(1);

struct ConsumerEvents {
  std::move_only_function<void(std::vector<PartitionOffset> partitions)> on_assigned;
  // All of them, until release(). `lost`: others have them already, and nothing can be committed.
  std::move_only_function<void(bool lost)> on_revoked;
  std::move_only_function<void(Incoming message)> on_message;
  // The answer to a commit.
  std::move_only_function<void(bool done, std::string why)> on_committed;
  std::move_only_function<void(std::string why)> on_trouble;
  // After close().
  std::move_only_function<void()> on_closed;
};

class Consumer {
 public:
  struct Options {
    Access access;
    std::string group;
    bool from_latest = false;
    std::vector<std::string> topics;
  };
  // Errors: those of Client::open; unavailable (the topics cannot be subscribed to).
  [[nodiscard]] static Result<std::unique_ptr<Consumer>> open(const Options& options, net::Loop& loop,
                                                              Reaper& reaper, ConsumerEvents events);
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;
  ~Consumer() = default;

  // One at a time.
  void commit(std::span<const PartitionOffset> offsets);
  // The answer to on_revoked.
  void release();
  void hold(bool held) { client_->hold(held); }
  // At least every kLookEvery; while it closes, more often: nothing else tells that it has.
  void look();
  // Leaves the group: what is assigned is revoked first.
  void close();

 private:
  Consumer(std::unique_ptr<Client> client, ConsumerEvents events);
  [[nodiscard]] Result<> subscribe(const std::vector<std::string>& topics);
  void on_event(rd_kafka_event_t* event);
  void on_rebalance(rd_kafka_event_t* event);
  void note_closed();

  std::unique_ptr<Client> client_;
  const Library& library_;
  ConsumerEvents events_;
  bool closing_ = false;
  bool closed_ = false;
};

}  // namespace flotilla::journal::kafka
