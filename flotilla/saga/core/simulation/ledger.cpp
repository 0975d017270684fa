#include "flotilla/saga/core/simulation/ledger.hpp"

#include <array>

namespace flotilla::saga::simulation {
namespace {

template <std::size_t N>
std::uint16_t pick(const std::array<std::uint16_t, N>& statuses, Random& random) {
  return statuses[random.below(N)];
}

constexpr std::array<std::uint16_t, 4> kSuccess{200, 201, 204, 206};
constexpr std::array<std::uint16_t, 10> kRefusals{400, 402, 404, 405, 409, 410, 412, 418, 422, 428};
constexpr std::array<std::uint16_t, 8> kAgain{401, 403, 408, 421, 423, 425, 429, 503};
constexpr std::array<std::uint16_t, 7> kStumbles{500, 502, 503, 504, 507, 199, 600};
constexpr std::array<std::uint16_t, 5> kConfused{302, 308, 422, 501, 505};

ServiceAnswer answer(std::uint16_t status) {
  ServiceAnswer out;
  out.head.status = status;
  if (status == 200 || status == 201) {
    out.body = R"({"ok":true})";
  }
  return out;
}

ServiceAnswer again(Random& random) {
  ServiceAnswer out = answer(pick(kAgain, random));
  if (out.head.status == 503) {
    out.head.from_platform = out.head.marked_not_sent = true;
  }
  if (random.below(3) == 0) {
    out.head.retry_after = std::chrono::seconds(random.below(60));
  }
  return out;
}

ServiceAnswer confused(Random& random) {
  ServiceAnswer out = answer(pick(kConfused, random));
  if (out.head.status == 422) {
    out.head.problem_type = "urn:flotilla:key-reused";
  }
  return out;
}

}  // namespace

ServiceAnswer Ledger::take(const effect::Send& send, const Step& step, const Moods& moods, Instant now,
                           Random& random) {
  auto& keys = entries_[{.saga = send.saga, .step = send.step}];
  // An undo and a query are about the action; a key that is not of ours stands for itself.
  std::string key = send.key;
  const std::size_t mark = key.rfind('-');
  if (mark != std::string::npos && mark > 0) {
    key.resize(mark - 1);
  }
  Entry& entry = keys[key];
  finish(entry, now);
  if (send.op == Op::status) {
    return tell(entry, send, random);
  }
  return send.op == Op::undo ? undo(entry, send, step, moods, now, random)
                             : act(entry, send, step, moods, now, random);
}

void Ledger::finish(Entry& entry, Instant now) {
  if (entry.finishes && *entry.finishes <= now) {
    entry.finishes.reset();
    entry.effects = std::max(entry.effects, 1U);
  }
  if (entry.undo_finishes && *entry.undo_finishes <= now) {
    entry.undo_finishes.reset();
    entry.undone = entry.effects;
  }
}

ServiceAnswer Ledger::act(Entry& entry, const effect::Send& send, const Step& step, const Moods& moods,
                          Instant now, Random& random) {
  const bool naive = is_naive(send.request->service);
  if (send.request->service == "barrier" && entry.undo_came && entry.effects == 0) {
    return answer(409);  // its undo came first
  }
  if (!naive) {
    if (entry.effects > 0) {
      // A repeated key. Those that do not replay their first answer say that it exists.
      return answer(step.replays_answers || random.below(2) == 0 ? 200 : 409);
    }
    if (entry.refused != 0) {
      return answer(entry.refused);
    }
    if (entry.finishes) {
      ServiceAnswer out = answer(random.below(2) == 0 ? 202 : 409);
      if (out.head.status == 202) {
        out.location = "/poll/a";
      } else if (random.below(2) == 0) {
        out.head.problem_type = "urn:flotilla:outstanding";
      } else {
        out.head.retry_after = std::chrono::seconds(1);
      }
      return out;
    }
  }
  std::uint64_t mood = random.below(1000);
  const auto is = [&mood](std::uint32_t weight) {
    const bool hit = mood < weight;
    mood = hit ? UINT64_MAX : mood - weight;
    return hit;
  };
  if (is(moods.refuse)) {
    entry.refused = pick(kRefusals, random);
    return answer(entry.refused);
  }
  if (is(moods.again)) {
    return again(random);
  }
  if (is(moods.stumble)) {
    entry.effects += random.below(2) == 0 ? 1 : 0;
    return answer(pick(kStumbles, random));
  }
  if (is(moods.pending)) {
    if (!step.accept_202) {
      entry.finishes = now + std::chrono::milliseconds(random.below(3000));
    } else {
      ++entry.effects;
    }
    ServiceAnswer out = answer(202);
    if (random.below(4) != 0) {
      out.location = "/poll/a";
    }
    return out;
  }
  if (is(moods.confused)) {
    return confused(random);
  }
  if (is(moods.says)) {
    constexpr std::array<std::string_view, 4> words{"ok", "refused", "retry", "unknown"};
    ServiceAnswer out = answer(500);
    out.head.outcome = words[random.below(words.size())];
    entry.effects += out.head.outcome == "ok" ? 1 : 0;
    entry.refused = out.head.outcome == "refused" ? 402 : 0;
    return out;
  }
  ++entry.effects;
  return answer(pick(kSuccess, random));
}

ServiceAnswer Ledger::undo(Entry& entry, const effect::Send& send, const Step& step, const Moods& moods,
                           Instant now, Random& random) {
  const bool naive = is_naive(send.request->service);
  entry.undo_came = true;
  entry.finishes.reset();  // what it was at work on it gives up
  if (!naive && entry.effects == entry.undone) {
    // There is nothing, or nothing any more.
    entry.refused = entry.effects == 0 && send.request->service == "barrier" ? 409 : entry.refused;
    constexpr std::array<std::uint16_t, 3> nothing{200, 404, 410};
    // A repeated key: 409 says of some that it is known; those that replay their answers say 200 again.
    const bool repeated = entry.effects > 0 && (step.replays_answers || random.below(4) == 0);
    ServiceAnswer out = answer(!repeated ? pick(nothing, random) : step.replays_answers ? 200 : 409);
    if (entry.effects == 0 && random.below(2) == 0) {
      out.head.outcome = "null-undo";
    }
    return out;
  }
  if (entry.undo_finishes) {
    ServiceAnswer out = answer(202);
    out.location = "/poll/c";
    return out;
  }
  std::uint64_t mood = random.below(1000);
  const auto is = [&mood](std::uint32_t weight) {
    const bool hit = mood < weight;
    mood = hit ? UINT64_MAX : mood - weight;
    return hit;
  };
  if (is(moods.block)) {
    // Never 404: with `undo_404_ok` it would say that there is nothing to undo.
    constexpr std::array<std::uint16_t, 6> blocks{400, 402, 409, 412, 422, 428};
    return answer(pick(blocks, random));
  }
  if (is(moods.again)) {
    return again(random);
  }
  if (is(moods.stumble)) {
    entry.undone += random.below(2) == 0 ? entry.effects - entry.undone : 0;
    return answer(pick(kStumbles, random));
  }
  if (is(moods.pending)) {
    entry.undo_finishes = now + std::chrono::milliseconds(random.below(3000));
    ServiceAnswer out = answer(random.below(2) == 0 ? 202 : 409);
    out.head.retry_after = std::chrono::seconds(1);
    out.location = "/poll/c";
    return out;
  }
  if (is(moods.confused)) {
    return confused(random);
  }
  entry.undone = entry.effects;
  return answer(pick(kSuccess, random));
}

ServiceAnswer Ledger::tell(Entry& entry, const effect::Send& send, Random& random) {
  if (random.below(8) == 0) {
    return answer(500);
  }
  if (send.request->target == "/poll/c") {
    return answer(entry.undo_finishes ? 202 : entry.undone == entry.effects ? 200 : 404);
  }
  if (entry.finishes) {
    return answer(202);
  }
  if (entry.effects > entry.undone) {
    return answer(200);
  }
  ServiceAnswer out = answer(404);
  if (entry.refused != 0 && random.below(2) == 0) {
    out.head.outcome = "refused";
  }
  return out;
}

Ledger::Count Ledger::of(SagaId saga, StepIndex step) const {
  Count count;
  const auto found = entries_.find({.saga = saga, .step = step});
  if (found != entries_.end()) {
    for (const auto& [key, entry] : found->second) {
      count.effects += entry.effects;
      count.undone += entry.undone;
      count.pending |= entry.finishes.has_value() || entry.undo_finishes.has_value();
    }
  }
  return count;
}

}  // namespace flotilla::saga::simulation
