// The outbox of the Kafka bridge: which event of the journal is sent next, what is confirmed, and how far it
// may be said to have come.
//
// Protocol: feed Load first. The shell asks next() until it gives nothing, after every input, hands each
// order to the producer at once, and says by took() what the producer answered. So what is refused is never
// overtaken. Decisions: an event is settled when Kafka has confirmed it, when it came from Kafka, or when
// Kafka never will take it and it lies among the dead letters. A topic's mark is behind everything settled
// without a gap, and only a mark is saved. When a producer is lost, all it has not confirmed is sent again by
// the next one, in the same order; after a pause that doubles. A topic begins, under each producer and after
// each loss, with one event alone: only when that is confirmed more follow, so that a topic which is not
// there yet cannot take a later one first. So each event reaches Kafka at least once, and the first times of
// all events of a key are in order (E1, E3, E6, E8). Ownership: owns what it has read. Threads: one. Limits:
// KafkaOutboxPolicy; a page beyond.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/kafka_counters.hpp"
#include "flotilla/events/core/kafka_faults.hpp"
#include "flotilla/events/core/kafka_io.hpp"

namespace flotilla::events {

struct KafkaOutboxPolicy {
  std::size_t ahead_events = 2048;                 // unsettled, of each topic
  std::size_t ahead_bytes = std::size_t{2} << 20;  // the same
  Duration save_every = std::chrono::milliseconds(250);
  Duration first_pause = std::chrono::milliseconds(100);
  Duration longest_pause = std::chrono::seconds(10);
};

class KafkaOutbox {
 public:
  KafkaOutbox(const KafkaOutboxPolicy& policy, std::size_t topics, std::uint64_t seed,
              KafkaOutboxCounters& counters, KafkaOutboxFault planted = KafkaOutboxFault::none);

  [[nodiscard]] kafka_out::Effects feed(kafka_out::Input input, Instant now);

  struct Order {
    std::uint64_t session = 0;
    TopicIndex topic = 0;
    std::uint64_t position = 0;
    KafkaEventPtr event;
  };
  // What to hand to the producer now.
  [[nodiscard]] std::optional<Order> next();
  // What it said: confirmed means that it has it.
  [[nodiscard]] kafka_out::Effects took(const Order& order, journal::kafka::Delivery taken, std::string why,
                                        Instant now);

  struct View {
    std::uint64_t mark = 0;
    std::uint64_t read_to = 0;
    std::size_t unsettled = 0;
    std::size_t in_flight = 0;
    bool paused = false;
  };
  [[nodiscard]] View view(TopicIndex topic) const;
  [[nodiscard]] bool is_open() const noexcept { return session_state_ == SessionState::open; }

 private:
  struct Entry {
    JournalEvent event;
    enum class State : std::uint8_t { waiting, sent, burying, settled } state = State::waiting;
    std::uint32_t sent = 0;  // times
    std::string why;         // it is buried
    bool bury_asked = false;
  };
  struct Topic {
    std::uint64_t mark = 0;
    std::uint64_t saved = 0;
    std::uint64_t read_to = 0;
    std::deque<Entry> window;       // all that is read and behind the mark
    std::size_t first_waiting = 0;  // before it none waits
    std::size_t in_flight = 0;
    std::size_t bytes = 0;  // of the window
    bool fetching = false;
    bool proven = false;       // an event was confirmed since the last loss
    bool stalled = false;      // one was lost: nothing is sent until those under way are answered
    std::uint32_t losses = 0;  // since the last confirmation
    Instant paused_until{};
    Instant bury_at = kNever;
  };
  enum class SessionState : std::uint8_t { closed, opening, open };
  class Step;  // one input's effects

  [[nodiscard]] Entry* find(TopicIndex topic, std::uint64_t position);
  [[nodiscard]] Duration pause(std::uint32_t losses);
  [[nodiscard]] bool may_send(const Topic& topic) const;

  void on(Step& step, kafka_out::Load& in);
  void on(Step& step, kafka_out::Arrived& in);
  void on(Step& step, kafka_out::Opened& in);
  void on(Step& step, kafka_out::OpenFailed& in);
  void on(Step& step, kafka_out::SessionLost& in);
  void on(Step& step, kafka_out::Delivered& in);
  void on(Step& step, kafka_out::Buried& in);
  void on(Step& step, kafka_out::BuryFailed& in);
  void on(Step& step, kafka_out::Saved& in);
  void on(Step& step, kafka_out::SaveFailed& in);
  void on(Step& step, kafka_out::Timer& in);
  void on(Step& step, kafka_out::Drain& in);
  void lose_session(Step& step, std::string why);
  void lose_message(Step& step, TopicIndex topic, Entry& entry, std::string why);
  void bury(Step& step, TopicIndex topic, Entry& entry);
  void advance(Topic& topic);
  void finish(Step& step);

  KafkaOutboxPolicy policy_;
  std::vector<Topic> topics_;
  Random random_;
  KafkaOutboxCounters& counters_;
  KafkaOutboxFault planted_;
  SessionState session_state_ = SessionState::closed;
  std::uint64_t session_ = 0;
  std::uint32_t session_losses_ = 0;  // since the last confirmation
  Instant open_at_ = kNever;
  std::vector<kafka_out::Save::Mark> saving_;
  bool save_under_way_ = false;
  Instant save_at_{};  // not before
  TopicIndex turn_ = 0;
  Instant now_{};
  bool draining_ = false;
  bool drained_ = false;
};

}  // namespace flotilla::events
