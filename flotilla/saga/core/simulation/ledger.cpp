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

ServiceAnswer of_status(std::uint16_t status, Random& random) {
  ServiceAnswer out = answer(status);
  if (status == 503 && random.below(2) == 0) {
    out.head.from_platform = out.head.marked_not_sent = true;
  }
  if (status == 422 && random.below(2) == 0) {
    out.head.problem_type = "urn:flotilla:key-reused";
  }
  if (status != 409 && random.below(3) == 0) {
    out.head.retry_after = std::chrono::seconds(random.below(60));
  }
  return out;
}

}  // namespace

namespace {

// What the definition says of its service is true of it: a status that it takes for something else is not
// used to say this. Nothing if there is none.
template <std::size_t N>
std::optional<ServiceAnswer> telling(Verdict verdict, const std::array<std::uint16_t, N>& statuses,
                                     const Step& step, Op op, Random& random) {
  for (int tries = 0; tries < 16; ++tries) {
    const bool own = op == Op::action && !step.outcomes.empty() && random.below(3) == 0;
    const std::uint16_t status =
        own ? step.outcomes[random.below(step.outcomes.size())].status : pick(statuses, random);
    ServiceAnswer out = of_status(status, random);
    if (judge(out.head, op, step.verdict_rules(), false).verdict == verdict) {
      return out;
    }
  }
  return std::nullopt;
}

ServiceAnswer success(const Step& step, Op op, Random& random) {
  return telling(Verdict::ok, kSuccess, step, op, random).value_or(answer(200));
}

// Draws one mood after the other, so that their weights add up.
class Mood {
 public:
  explicit Mood(Random& random) : left_(random.below(1000)) {}
  [[nodiscard]] bool is(std::uint32_t weight) noexcept {
    const bool hit = left_ < weight;
    left_ = hit ? UINT64_MAX : left_ - weight;
    return hit;
  }

 private:
  std::uint64_t left_;
};

}  // namespace

ServiceAnswer Ledger::take(const effect::Send& send, const Step& step, Grade grade, const Moods& moods,
                           Instant now, Random& random) {
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
  const Visit visit{
      .step = step, .op = send.op, .grade = grade, .moods = moods, .now = now, .random = random};
  return send.op == Op::undo ? undo(entry, visit) : act(entry, visit);
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

// A repeated action, at a service that can tell.
std::optional<ServiceAnswer> Ledger::known(Entry& entry, const Visit& visit) {
  Random& random = visit.random;
  if (entry.effects > 0) {
    const auto* request = std::get_if<Request>(&visit.step.action);
    if (visit.grade == Grade::natural) {
      const bool gone = request != nullptr && request->target.method() == "DELETE" && random.below(2) == 0;
      return gone ? answer(404) : success(visit.step, visit.op, random);
    }
    // Those that do not replay their first answer say that it exists.
    return visit.step.replays_answers || random.below(2) == 0 ? success(visit.step, visit.op, random)
                                                              : answer(409);
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
  return std::nullopt;
}

ServiceAnswer Ledger::act(Entry& entry, const Visit& visit) {
  const auto& [step, op, grade, moods, now, random] = visit;
  if (grade == Grade::barrier && entry.undo_came && entry.effects == 0) {
    return answer(409);  // its undo came first
  }
  if (grade != Grade::naive && grade != Grade::reads) {
    if (auto out = known(entry, visit)) {
      return *std::move(out);
    }
  }
  Mood mood(random);
  if (mood.is(moods.refuse)) {
    if (auto out = telling(Verdict::refused, kRefusals, step, op, random)) {
      entry.refused = out->head.status;
      return *std::move(out);
    }
  }
  if (mood.is(moods.again)) {
    if (auto out = telling(Verdict::retry, kAgain, step, op, random)) {
      return *std::move(out);
    }
  }
  if (mood.is(moods.stumble)) {
    if (auto out = telling(Verdict::unknown, kStumbles, step, op, random)) {
      entry.effects += random.below(2) == 0 ? 1 : 0;
      return *std::move(out);
    }
  }
  if (mood.is(moods.pending) && judge(answer(202).head, op, step.verdict_rules(), false).verdict ==
                                    (step.accept_202 ? Verdict::ok : Verdict::pending)) {
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
  if (mood.is(moods.confused)) {
    if (auto out = telling(Verdict::config, kConfused, step, op, random)) {
      return *std::move(out);
    }
  }
  if (mood.is(moods.says)) {
    constexpr std::array<std::string_view, 4> words{"ok", "refused", "retry", "unknown"};
    ServiceAnswer out = answer(500);
    out.head.outcome = words[random.below(words.size())];
    entry.effects += out.head.outcome == "ok" ? 1 : 0;
    entry.refused = out.head.outcome == "refused" ? 402 : 0;
    return out;
  }
  ++entry.effects;
  return success(step, op, random);
}

ServiceAnswer Ledger::undo(Entry& entry, const Visit& visit) {
  const auto& [step, op, grade, moods, now, random] = visit;
  const bool naive = grade == Grade::naive;
  entry.undo_came = true;
  entry.finishes.reset();  // what it was at work on it gives up
  if (!naive && entry.effects == entry.undone) {
    // There is nothing, or nothing any more.
    entry.refused = entry.effects == 0 && grade == Grade::barrier ? 409 : entry.refused;
    constexpr std::array<std::uint16_t, 3> nothing{200, 410, 404};
    // A repeated key: 409 says of some that it is known; those that replay their answers say 200 again.
    const bool keyed = grade == Grade::honest || grade == Grade::barrier;
    const bool repeated = entry.effects > 0 && keyed && (step.replays_answers || random.below(4) == 0);
    const bool may_say_404 = step.undo_404_ok || grade == Grade::natural;
    const std::uint16_t said = nothing[random.below(may_say_404 ? 3 : 2)];
    ServiceAnswer out = answer(!repeated ? said : step.replays_answers ? 200 : 409);
    if (keyed && entry.effects == 0 && random.below(2) == 0) {
      out.head.outcome = "null-undo";
    }
    return out;
  }
  if (entry.undo_finishes) {
    ServiceAnswer out = answer(202);
    out.location = "/poll/c";
    return out;
  }
  Mood mood(random);
  if (mood.is(moods.block)) {
    // Never 404: with `undo_404_ok` it would say that there is nothing to undo.
    constexpr std::array<std::uint16_t, 6> blocks{400, 402, 409, 412, 422, 428};
    return answer(pick(blocks, random));
  }
  if (mood.is(moods.again)) {
    return of_status(pick(kAgain, random), random);
  }
  if (mood.is(moods.stumble)) {
    if (random.below(2) == 0) {
      entry.undone = entry.effects;
      ++entry.undo_acts;
    }
    return answer(pick(kStumbles, random));
  }
  if (mood.is(moods.pending)) {
    entry.undo_finishes = now + std::chrono::milliseconds(random.below(3000));
    ++entry.undo_acts;
    ServiceAnswer out = answer(random.below(2) == 0 ? 202 : 409);
    out.head.retry_after = std::chrono::seconds(1);
    out.location = "/poll/c";
    return out;
  }
  if (mood.is(moods.confused)) {
    return of_status(pick(kConfused, random), random);
  }
  entry.undone = entry.effects;
  ++entry.undo_acts;
  return success(step, op, random);
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
      count.undo_acts += entry.undo_acts;
      count.pending |= entry.finishes.has_value() || entry.undo_finishes.has_value();
    }
  }
  return count;
}

}  // namespace flotilla::saga::simulation
