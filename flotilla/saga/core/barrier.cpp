#include "flotilla/saga/core/barrier.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "flotilla/base/assert.hpp"
#include "flotilla/saga/core/saga_id.hpp"

namespace flotilla::saga {
namespace {

using State = BarrierRow::State;
using enum Passage::Kind;

constexpr std::array<std::string_view, 3> kStates{"done", "refused", "blocked"};
constexpr std::string_view kPrefix = "sg1-";
constexpr std::size_t kIdBytes = 26;
constexpr std::size_t kMostKeyBytes = 64;

bool is_step_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.';
  });
}

Result<Passage> answered(BarrierStore& store, const BarrierKey& key) {
  auto row = store.find(key);
  if (!row) {
    return std::unexpected(row.error());
  }
  if (!*row) {
    return fail(Errc::conflict, "a barrier's row for " + key.step +
                                    " was there and is gone: rows go only when their saga is forgotten");
  }
  return Passage{.kind = (*row)->state == State::blocked ? too_late : replay,
                 .refused = (*row)->state == State::refused,
                 .answer = std::move((*row)->answer)};
}

Result<Passage> enter_action(BarrierStore& store, const BarrierKey& key) {
  const auto first = store.insert(key, {.state = State::done, .answer = {}});
  if (!first) {
    return std::unexpected(first.error());
  }
  return *first ? Passage{.kind = act, .answer = {}} : answered(store, key);
}

Result<Passage> enter_undo(BarrierStore& store, const BarrierKey& undo) {
  const BarrierKey action{.step = undo.step, .op = Op::action};
  const auto never_came = store.insert(action, {.state = State::blocked, .answer = {}});
  if (!never_came) {
    return std::unexpected(never_came.error());
  }
  if (*never_came) {
    return Passage{.kind = null_undo, .answer = {}};
  }
  const auto came = answered(store, action);
  if (!came) {
    return came;
  }
  if (came->kind == too_late || came->refused) {
    return Passage{.kind = null_undo, .answer = {}};
  }
  const auto first = store.insert(undo, {.state = State::done, .answer = {}});
  if (!first) {
    return std::unexpected(first.error());
  }
  return *first ? Passage{.kind = act, .answer = {}} : answered(store, undo);
}

}  // namespace

std::optional<BarrierKey> read_barrier_key(std::string_view key) {
  if (key.size() >= 2 && key.front() == '"' && key.back() == '"') {
    key = key.substr(1, key.size() - 2);
  }
  if (key.size() > kMostKeyBytes || !key.starts_with(kPrefix) ||
      !SagaId::parse(key.substr(kPrefix.size(), kIdBytes))) {
    return std::nullopt;
  }
  // -STEP-OP-MAC
  const std::size_t step = kPrefix.size() + kIdBytes;
  const std::size_t op = key.find('-', step + 1);
  const bool formed = step < key.size() && key[step] == '-' && op < key.size() &&
                      is_step_number(key.substr(step + 1, op - step - 1)) && op + 3 < key.size() &&
                      key[op + 2] == '-';
  if (!formed) {
    return std::nullopt;
  }
  constexpr std::string_view kLetters = "acq";
  const std::size_t letter = kLetters.find(key[op + 1]);
  if (letter == std::string_view::npos) {
    return std::nullopt;
  }
  return BarrierKey{.step = std::string(key.substr(0, op)), .op = static_cast<Op>(letter)};
}

std::string_view to_string(BarrierRow::State state) noexcept {
  return kStates[static_cast<std::size_t>(state)];
}

std::optional<BarrierRow::State> parse_barrier_state(std::string_view text) noexcept {
  const auto found = std::ranges::find(kStates, text);
  return found == kStates.end() ? std::nullopt : std::optional(static_cast<State>(found - kStates.begin()));
}

Result<Passage> enter(BarrierStore& store, const BarrierKey& key) {
  FLOTILLA_ASSERT(key.op != Op::status);
  return key.op == Op::action ? enter_action(store, key) : enter_undo(store, key);
}

Result<> leave(BarrierStore& store, const BarrierKey& key, bool refused, std::string answer) {
  FLOTILLA_ASSERT(!refused || key.op == Op::action);
  return store.update(key, {.state = refused ? State::refused : State::done, .answer = std::move(answer)});
}

}  // namespace flotilla::saga
