// A dead letter that waits for a person: a stream of its own in the journal, with a row for lists.
//
// For: the batch that buries an event, which begins it; the verbs of people (dead_letters.hpp) and the
// subscription engine, which go on with it. Its first record is the dead letter as its topic has it, so it is
// kept also when the topic forgets; each further one is a step, with who and why where a person took it:
//   open --replay--> replaying --delivered--> delivered       open --edit--> open
//                    replaying --returned---> open            open --drop--> dropped
//                    replaying --expired----> expired, --filtered--> filtered (an edited one)
// Ownership: plain values. Threads: pure functions. Limits: kMaxLetterSteps; a record's body; a row's texts
// are cut to what a row holds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/core/record.hpp"

namespace flotilla::events {

// Types of RecordClass::queue. On disk: never reused.
inline constexpr std::uint16_t kLetterRecord = 16;
inline constexpr std::uint16_t kLetterStepRecord = 17;
// Beyond it a letter takes no edit and no replay any more: it can be dropped.
inline constexpr std::size_t kMaxLetterSteps = 200;

// What a store must know to keep dead letters.
[[nodiscard]] std::vector<journal::RecordType> letter_record_types();

enum class LetterState : std::uint8_t { open, replaying, delivered, dropped, expired, filtered };
inline constexpr std::size_t kLetterStates = 6;
[[nodiscard]] std::string_view to_string(LetterState state) noexcept;
[[nodiscard]] std::optional<LetterState> parse_letter_state(std::string_view text) noexcept;
// Nobody can do anything to it any more.
[[nodiscard]] constexpr bool is_settled(LetterState state) noexcept {
  return state != LetterState::open && state != LetterState::replaying;
}

// On disk, from 1.
enum class LetterVerb : std::uint8_t { edit = 1, replay, drop, delivered, returned, expired, filtered };
inline constexpr std::size_t kLetterVerbs = 7;
[[nodiscard]] std::string_view to_string(LetterVerb verb) noexcept;

struct LetterStep {
  LetterVerb verb = LetterVerb::edit;
  std::string who;   // of what a person did
  std::string why;   // so, too
  std::string data;  // of edit: what the event says from now on
  // Of returned: how the last attempt ended, and how many there were of this replay.
  std::string code;
  std::string body;
  std::uint64_t attempts = 0;

  friend bool operator==(const LetterStep&, const LetterStep&) = default;
};
[[nodiscard]] std::string encode(const LetterStep& step);
// Errors: invalid (damaged), unsupported (of a newer version).
[[nodiscard]] Result<LetterStep> decode_letter_step(std::string_view body);

struct TakenStep {
  std::int64_t time = 0;  // milliseconds since the Unix epoch
  LetterStep step;
};

struct DeadLetter {
  LetterState state = LetterState::open;
  std::uint64_t version = 0;  // of its stream
  std::int64_t buried = 0;    // milliseconds since the Unix epoch
  journal::Event event;       // with deadletter... attributes; the data as it was edited
  bool edited = false;
  std::vector<TakenStep> steps;

  // The number of attempts, and how the last one ended, of all that was tried.
  [[nodiscard]] std::uint64_t attempts() const;
  [[nodiscard]] std::string_view code() const;
  [[nodiscard]] std::string_view body() const;
  // Where the event is in its topic.
  [[nodiscard]] std::string_view position() const { return event.attribute("deadletterposition"); }
};
using DeadLetterPtr = std::shared_ptr<const DeadLetter>;

// One record after another, from an empty one. Errors: invalid, unsupported; those of decoding.
[[nodiscard]] Result<> fold(DeadLetter& letter, const journal::Record& record);

// Why a person cannot do that now; empty: it can be done.
[[nodiscard]] std::string objection(const DeadLetter& letter, LetterVerb verb);

// The event as it is sent again: as it was published, with the data as it was edited.
[[nodiscard]] journal::Event original_of(const DeadLetter& letter);

// Its row: the name under which letters of a subscription are listed, and the JSON of one. What it is found
// by (`search`: key, reason, code) stays as it was when it was buried.
[[nodiscard]] std::string letter_row_name(std::string_view subscription);
[[nodiscard]] std::string letter_row(const DeadLetter& letter);
// The subscription of a row; nothing for rows of others.
[[nodiscard]] std::optional<std::string_view> subscription_of_row(std::string_view name) noexcept;

}  // namespace flotilla::events
