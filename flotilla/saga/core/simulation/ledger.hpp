// Simulated services: ledgers that count effects, of the grades of stubs.hpp.
//
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
#include "flotilla/saga/core/simulation/stubs.hpp"

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
  [[nodiscard]] ServiceAnswer take(const effect::Send& send, const Step& step, Grade grade,
                                   const Moods& moods, Instant now, Random& random);

  struct Count {
    std::uint32_t effects = 0;
    std::uint32_t undone = 0;
    std::uint32_t undo_acts = 0;  // how often an undo acted that cannot be repeated
    bool pending = false;
  };
  // What became of a step, over all keys it was sent under.
  [[nodiscard]] Count of(SagaId saga, StepIndex step) const;

 private:
  struct Entry {
    std::uint32_t effects = 0;
    std::uint32_t undone = 0;
    std::uint32_t undo_acts = 0;
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
  // One request, and what decides what becomes of it.
  struct Visit {
    const Step& step;
    Op op;
    Grade grade;
    const Moods& moods;
    Instant now;
    Random& random;
  };
  [[nodiscard]] static std::optional<ServiceAnswer> known(Entry& entry, const Visit& visit);
  [[nodiscard]] static ServiceAnswer act(Entry& entry, const Visit& visit);
  [[nodiscard]] static ServiceAnswer undo(Entry& entry, const Visit& visit);
  [[nodiscard]] ServiceAnswer tell(Entry& entry, const effect::Send& send, Random& random);

  // By place, then by key: an engine that invents keys gets new entries.
  std::unordered_map<Place, std::unordered_map<std::string, Entry>, PlaceHash> entries_;
};

}  // namespace flotilla::saga::simulation
