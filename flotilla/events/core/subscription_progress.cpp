#include "flotilla/events/core/subscription_progress.hpp"

#include <array>

#include <fmt/format.h>

#include "flotilla/journal/core/body.hpp"

namespace flotilla::events {
namespace {

// On disk: never reused.
constexpr std::uint32_t kGap = 1;  // a list: each settled position as its distance to the one before
constexpr std::uint32_t kPauseWhy = 2;
constexpr std::uint32_t kPauseDetail = 3;
constexpr std::uint32_t kPauseSince = 4;
constexpr std::uint32_t kReplayUntil = 5;
constexpr std::uint32_t kHeldKey = 6;  // a list
constexpr std::uint32_t kSkipAfter = 7;
constexpr std::uint32_t kSkipUntil = 8;

// More cannot have been saved (kMaxAhead): a bound for what is damaged.
constexpr std::size_t kMaxSettled = 8192;

std::unexpected<Error> damaged(std::string_view what) {
  return fail(Errc::invalid, fmt::format("the saved progress of a subscription is damaged: {}", what));
}

Result<> take_number(SubscriptionProgress& progress, const journal::Field& field, std::uint64_t& last) {
  switch (field.tag) {
    case kGap:
      if (field.number == 0 || field.number > UINT64_MAX - last || progress.settled.size() >= kMaxSettled) {
        return damaged("a position out of order, or too many");
      }
      last += field.number;
      progress.settled.insert(progress.settled.end(), last);
      return {};
    case kPauseWhy:
      if (field.number == 0 || field.number >= kPauseReasons) {
        return fail(Errc::unsupported,
                    "the saved progress of a subscription has a reason to pause of a newer version");
      }
      progress.pause.reason = static_cast<PauseReason>(field.number);
      return {};
    case kPauseSince:
      progress.pause.since = static_cast<std::int64_t>(field.number);
      return {};
    case kReplayUntil:
      progress.replay_until = field.number;
      return {};
    case kSkipAfter:
      progress.skip_after = field.number;
      return {};
    case kSkipUntil:
      if (field.number <= progress.skip_after) {
        return damaged("a replay that skips nothing");
      }
      progress.skip_until = field.number;
      return {};
    default:
      return fail(Errc::unsupported,
                  fmt::format("the saved progress of a subscription has a field of a newer version, tag {}",
                              field.tag));
  }
}

Result<> take_bytes(SubscriptionProgress& progress, const journal::Field& field) {
  switch (field.tag) {
    case kPauseDetail:
      progress.pause.detail = field.bytes;
      return {};
    case kHeldKey:
      progress.held_keys.emplace(field.bytes);
      return {};
    default:
      return fail(Errc::unsupported,
                  fmt::format("the saved progress of a subscription has a field of a newer version, tag {}",
                              field.tag));
  }
}

}  // namespace

std::string_view to_string(PauseReason reason) noexcept {
  constexpr std::array<std::string_view, kPauseReasons> names{"none", "operator", "gone", "too-many-keys"};
  return names[static_cast<std::size_t>(reason)];
}

std::string encode_state(const SubscriptionProgress& progress) {
  std::string state;
  journal::BodyWriter writer(state);
  std::uint64_t last = progress.mark;
  for (const std::uint64_t position : progress.settled) {
    writer.number(kGap, position - last);
    last = position;
  }
  if (progress.pause.reason != PauseReason::none) {
    writer.number(kPauseWhy, static_cast<std::uint64_t>(progress.pause.reason));
    writer.bytes(kPauseDetail, progress.pause.detail);
    writer.number(kPauseSince, static_cast<std::uint64_t>(progress.pause.since));
  }
  if (progress.replay_until > progress.mark) {
    writer.number(kReplayUntil, progress.replay_until);
  }
  for (const std::string& key : progress.held_keys) {
    writer.bytes(kHeldKey, key);
  }
  if (progress.skip_until > progress.mark) {
    writer.number(kSkipAfter, progress.skip_after);
    writer.number(kSkipUntil, progress.skip_until);
  }
  return state;
}

Result<SubscriptionProgress> decode_progress(std::uint64_t mark, std::string_view state) {
  SubscriptionProgress progress{.mark = mark};
  std::uint64_t last = mark;
  journal::BodyReader reader(state);
  for (;;) {
    const auto field = reader.next();
    if (!field) {
      return damaged(field.error().message);
    }
    if (!*field) {
      return progress;
    }
    const Result<> taken =
        (*field)->is_bytes ? take_bytes(progress, **field) : take_number(progress, **field, last);
    if (!taken) {
      return std::unexpected(taken.error());
    }
  }
}

}  // namespace flotilla::events
