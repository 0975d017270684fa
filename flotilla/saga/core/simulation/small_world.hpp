// One run of the exhaustive small space: one saga, one service, one owner at a time, nothing drawn.
//
// For: small_space.hpp. A request travels 1 ms and so does its answer, a commit takes 1 ms and is known 1 ms
// later; what is on its way when the owner dies arrives all the same, but answers to the dead are not heard.
// Ownership: the catalogue outlives it. Threads: one. Limits: kMaxSmallEvents, then it never ends.
#pragma once

#include <array>
#include <memory>
#include <queue>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/saga/core/engine.hpp"
#include "flotilla/saga/core/simulation/oracle.hpp"
#include "flotilla/saga/core/simulation/small_space.hpp"

namespace flotilla::saga::simulation {

inline constexpr std::uint32_t kMaxSmallEvents = 2000;

class SmallWorld {
 public:
  SmallWorld(const SmallCase& small, const Catalogue& catalogue, Coverage& coverage, EngineFaults faults);
  [[nodiscard]] SmallOutcome run();

 private:
  struct Commit {
    std::uint64_t epoch;
    std::size_t append;  // in appends_
  };
  struct Known {
    std::uint64_t epoch;
  };
  struct Arrive {
    std::size_t send;    // in sends_
    bool again = false;  // something between sends it a second time
  };
  struct Deliver {
    std::size_t send;
    std::uint16_t status;  // 0: no answer
  };
  struct Timer {
    std::uint64_t epoch;
  };
  struct Event {
    Instant at;
    std::uint64_t order = 0;
    std::variant<Commit, Known, Arrive, Deliver, Timer> what;
    bool operator<(const Event& other) const noexcept {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  struct Book {
    std::uint32_t effects = 0;
    std::uint32_t undone = 0;
    bool refused = false;  // for good
    bool asked = false;
    bool undo_asked = false;
  };

  void take_over();
  [[nodiscard]] bool boundary();  // true: the owner died here
  void schedule(Duration in, decltype(Event::what) what);
  void feed(Input input);
  void carry_out(effect::Append& append);
  void carry_out(effect::Send& send);
  void on(const Commit& due);
  void on(const Known& known);
  void on(const Arrive& arrive);
  void on(const Deliver& deliver);
  void on(const Timer& timer);
  [[nodiscard]] std::uint16_t answer(const effect::Send& send);
  void look_after();
  void check_end();
  void violated(const std::string& what);

  const SmallCase& small_;
  const Catalogue& catalogue_;
  EngineFaults faults_;
  Oracle oracle_;
  SmallOutcome outcome_;
  std::unique_ptr<Engine> engine_;
  std::uint64_t epoch_ = 0;
  Instant clock_{std::chrono::hours(1)};
  Instant wake_ = kNever;
  std::priority_queue<Event> queue_;
  std::uint64_t next_order_ = 1;
  std::vector<StoredRecord> records_;
  std::vector<effect::Append> appends_;
  struct Attempt {
    effect::Send send;
    std::uint64_t epoch = 0;
    bool answered = false;
  };
  std::vector<Attempt> sends_;
  std::array<Book, 3> books_{};
  SagaId saga_;
  bool submitted_ = false;
};

}  // namespace flotilla::saga::simulation
