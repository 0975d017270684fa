// A view as its readers see it: which version they read, how far it has come, and who waits for more.
//
// For: the runner, whose shell says what changes, or, where another process runs the view, whose follower
// says what it found in the store; readers on any worker. What is read belongs together: a reader takes the
// Serving once, its position before the rows, and looks afterwards whether it still is the one that is
// served; else rows may have been deleted under it, and it begins again. Positions never go back. A Serving
// of a shell is good while its process has the lease; that of a follower keeps nothing in memory.
// Ownership: shared; a Serving lives as long as somebody reads from it. Threads: publish(), say() and
// looked() belong to the shell's loop, the rest to any; one mutex, held briefly. Limits: kMaxWaiting,
// kAnswerBytes.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "flotilla/cqrs/core/answer_cache.hpp"
#include "flotilla/cqrs/core/view_io.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::cqrs {

// One version that is read.
class Serving {
 public:
  static constexpr std::size_t kAnswerBytes = std::size_t{32} << 20;
  static constexpr std::size_t kStripes = 16;

  // `epoch`: of the lease under which the shell runs; nothing: it is followed.
  Serving(std::string_view view, const ViewVersion& version, std::optional<std::uint64_t> epoch);

  [[nodiscard]] Generation generation() const noexcept { return generation_; }
  [[nodiscard]] std::uint64_t table() const noexcept { return table_; }
  // Whose position is that of the rows in the store.
  [[nodiscard]] const std::string& cursor() const noexcept { return cursor_; }
  [[nodiscard]] bool by_row() const noexcept { return by_row_; }
  [[nodiscard]] const std::optional<std::uint64_t>& epoch() const noexcept { return epoch_; }
  [[nodiscard]] journal::ReadToken position() const;
  [[nodiscard]] bool has_come_to(journal::Position position) const;
  [[nodiscard]] std::int64_t behind_since_ms() const noexcept {
    return behind_since_ms_.load(std::memory_order_relaxed);
  }

  [[nodiscard]] std::optional<AnswerBody> find(std::string_view key);
  void keep(std::string_view key, AnswerBody body, const journal::ReadToken& position);
  // As AnswerCache's.
  [[nodiscard]] bool is_copy_due(std::string_view key, Instant now, Duration every);
  // Bytes in memory.
  [[nodiscard]] std::size_t bytes() const;

 private:
  friend class View;
  struct alignas(64) Stripe {
    mutable std::mutex mutex;
    AnswerCache answers{kAnswerBytes / kStripes};  // guarded by mutex
  };
  [[nodiscard]] Stripe& stripe(std::string_view key) {
    return stripes_[std::hash<std::string_view>{}(key) % kStripes];
  }

  const Generation generation_;
  const std::uint64_t table_;
  const std::string cursor_;
  const bool by_row_;
  const std::optional<std::uint64_t> epoch_;
  mutable std::mutex mutex_;
  journal::ReadToken position_;  // guarded by mutex_
  std::atomic<std::int64_t> behind_since_ms_{0};
  std::array<Stripe, kStripes> stripes_;
};
using ServingPtr = std::shared_ptr<Serving>;

// Written by readers of any thread.
struct ReadCounters {
  std::atomic<std::uint64_t> from_memory{0};
  std::atomic<std::uint64_t> from_store{0};
  std::atomic<std::uint64_t> waited{0};
  std::atomic<std::uint64_t> behind{0};  // refused: it had not come so far in time
};

// Between readers on any loop and whoever keeps copies of what they read.
struct CopyDoor {
  static constexpr std::size_t kMaxOffers = 1024;  // that are not looked at yet; more are forgotten

  Duration every{0};  // how often a key that is read is offered
  net::Loop* loop = nullptr;
  std::function<void(std::string)> offer;  // the loop's thread alone; empty once the keeper has gone
  std::atomic<std::size_t> waiting{0};
};

class View {
 public:
  static constexpr std::size_t kMaxWaiting = 1024;

  // `home`: its shard of the journal.
  explicit View(std::string name, std::uint32_t home = 0) : name_(std::move(name)), home_(home) {}
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::uint32_t home() const noexcept { return home_; }
  // Null: there is no version yet that could be read.
  [[nodiscard]] ServingPtr serving() const;
  // Why there is none, or what is wrong; may be empty.
  [[nodiscard]] std::string trouble() const;

  // Until it has come to `position`, or the deadline passes: then false. Nothing: too many wait already.
  [[nodiscard]] net::Task<std::optional<bool>> wait(journal::Position position, Instant deadline);
  // Until it has come beyond `seen` in any shard.
  [[nodiscard]] net::Task<std::optional<bool>> wait_beyond(journal::ReadToken seen, Instant deadline);
  // Until somebody has looked into the store, beginning at `since` or later: a follower, or a shell that says
  // how far it has come. As wait().
  [[nodiscard]] net::Task<std::optional<bool>> wait_for_look(Instant since, Instant deadline);
  [[nodiscard]] bool has_waiting() const;

  // Who publishes.
  struct Voice {
    // The first word of an engine: what the one before saved without hearing of it may have changed any key,
    // so nothing in memory is good any more.
    bool begins = false;
    std::optional<std::uint64_t> epoch;  // as Serving's
  };
  void publish(const effect::Serve& serve, const ViewVersion& version, const Voice& voice);
  // Somebody has looked, beginning at `when`.
  void looked(Instant when);
  void say(std::string trouble);
  // Called, on any thread, when somebody waits for more than there is. Empty: nobody runs the view.
  void on_wanted(std::function<void()> wanted);

  // Null: nobody keeps copies.
  void set_copies(std::shared_ptr<CopyDoor> door);
  // How often a key that is read is to be offered; 0: nobody keeps copies.
  [[nodiscard]] Duration offers_every() const noexcept { return Duration(offers_every_.load()); }
  void offer(const std::string& key);

  [[nodiscard]] ReadCounters& reads() noexcept { return reads_; }

 private:
  struct Line {
    net::Loop* loop;
    net::Event* bell;  // the loop's thread alone; null once the waiter has gone
  };
  class Place;
  // Of a position by its shard and number; behind those, of looks, and of whatever is published.
  using Wish = std::pair<std::uint32_t, std::uint64_t>;
  static constexpr Wish kLook{journal::kMaxShards, 0};
  static constexpr Wish kMore{journal::kMaxShards, 1};
  void wake(const journal::ReadToken& position);
  void wake(Wish from, Wish to);
  template <class Come>
  [[nodiscard]] net::Task<std::optional<bool>> wait_until(Wish wish, Come come, Instant deadline);

  const std::string name_;
  const std::uint32_t home_;
  mutable std::mutex mutex_;
  ServingPtr serving_;  // guarded by mutex_, as the rest
  std::string trouble_;
  std::multimap<Wish, std::shared_ptr<Line>> waiting_;
  std::function<void()> wanted_;
  std::shared_ptr<CopyDoor> copies_;
  std::atomic<Duration::rep> offers_every_{0};
  std::atomic<Instant::rep> looked_{std::numeric_limits<Instant::rep>::min()};
  ReadCounters reads_;
};
using ViewPtr = std::shared_ptr<View>;

}  // namespace flotilla::cqrs
