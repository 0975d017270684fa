// Simulated services: ledgers that count effects, of three grades.
//
//   honest   takes a key once: one effect, however often it is sent. An action that comes after its undo
//   works. barrier  honest, and refuses an action whose undo came first. naive    knows nothing of keys:
//   every arrival is an effect. Nothing is promised for these.
// A service's moods are drawn per request: it refuses, stumbles before or after the effect, answers 202 and
// finishes later, is set up wrongly. What it says is true to its grade, so invariants can be asked of it.
// Ownership: a value. Threads: one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/saga/core/engine_io.hpp"
#include "flotilla/saga/core/saga_key.hpp"

namespace flotilla::saga::simulation {

// How likely each mood is, of 1000; the rest is success.
struct Moods {
  std::uint32_t refuse = 0;
  std::uint32_t again = 0;     // surely no effect
  std::uint32_t stumble = 0;   // an answer that says nothing of the effect
  std::uint32_t pending = 0;   // 202
  std::uint32_t confused = 0;  // a mistake in the set-up
  std::uint32_t says = 0;      // Saga-Outcome
  std::uint32_t block = 0;     // an undo
};

struct ServiceAnswer {
  AnswerHead head{.kind = AnswerHead::Kind::status, .status = 200};
  std::string body;
  std::string location;
};

class Ledger {
 public:
  [[nodiscard]] ServiceAnswer take(const effect::Send& send, const Step& step, const Moods& moods,
                                   Instant now, Random& random);

  struct Count {
    std::uint32_t effects = 0;
    std::uint32_t undone = 0;
    bool pending = false;
  };
  // What became of a step, over all keys it was sent under.
  [[nodiscard]] Count of(SagaId saga, StepIndex step) const;
  [[nodiscard]] static bool is_naive(std::string_view service) noexcept { return service == "naive"; }

 private:
  struct Entry {
    std::uint32_t effects = 0;
    std::uint32_t undone = 0;
    std::uint16_t refused = 0;  // with which status, for good
    bool undo_came = false;
    std::optional<Instant> finishes;  // of a 202
    std::optional<Instant> undo_finishes;
  };
  struct Place {
    SagaId saga;
    StepIndex step = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct PlaceHash {
    std::size_t operator()(const Place& p) const noexcept {
      return std::hash<SagaId>{}(p.saga) * 67 + p.step;
    }
  };
  void finish(Entry& entry, Instant now);
  [[nodiscard]] ServiceAnswer act(Entry& entry, const effect::Send& send, const Step& step,
                                  const Moods& moods, Instant now, Random& random);
  [[nodiscard]] ServiceAnswer undo(Entry& entry, const effect::Send& send, const Step& step,
                                   const Moods& moods, Instant now, Random& random);
  [[nodiscard]] ServiceAnswer tell(Entry& entry, const effect::Send& send, Random& random);

  // By place, then by key: an engine that invents keys gets new entries.
  std::unordered_map<Place, std::unordered_map<std::string, Entry>, PlaceHash> entries_;
};

}  // namespace flotilla::saga::simulation
