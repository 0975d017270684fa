#include "flotilla/events/core/dead_letter_item.hpp"

#include <algorithm>
#include <array>
#include <ranges>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/events/core/dead_letter.hpp"
#include "flotilla/events/core/subscription_progress.hpp"
#include "flotilla/journal/core/body.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

// On disk: never reused.
constexpr std::uint32_t kVerb = 1;
constexpr std::uint32_t kWho = 2;
constexpr std::uint32_t kWhy = 3;
constexpr std::uint32_t kData = 4;
constexpr std::uint32_t kCode = 5;
constexpr std::uint32_t kBody = 6;
constexpr std::uint32_t kAttempts = 7;

constexpr std::string_view kRowPrefix = "dead-letters/";
constexpr std::string_view kDeadPrefix = "deadletter";
// Of texts in a row, in bytes: twice that, escaped, for each of them is less than a row holds.
constexpr std::size_t kRowText = 256;
constexpr std::size_t kRowCode = 32;

std::unexpected<Error> newer(std::string_view what) {
  return fail(Errc::unsupported, fmt::format("a step of a dead letter has {} of a newer version", what));
}

Result<> take(LetterStep& step, const journal::Field& field) {
  if (!field.is_bytes) {
    if (field.tag == kVerb && field.number >= 1 && field.number <= kLetterVerbs) {
      step.verb = static_cast<LetterVerb>(field.number);
      return {};
    }
    if (field.tag == kAttempts) {
      step.attempts = field.number;
      return {};
    }
    return newer(field.tag == kVerb ? "a verb" : "a field");
  }
  std::string* const into = field.tag == kWho    ? &step.who
                            : field.tag == kWhy  ? &step.why
                            : field.tag == kData ? &step.data
                            : field.tag == kCode ? &step.code
                            : field.tag == kBody ? &step.body
                                                 : nullptr;
  if (into == nullptr) {
    return newer("a field");
  }
  *into = field.bytes;
  return {};
}

LetterState after(LetterVerb verb) {
  switch (verb) {
    case LetterVerb::edit:
    case LetterVerb::returned:
      return LetterState::open;
    case LetterVerb::replay:
      return LetterState::replaying;
    case LetterVerb::drop:
      return LetterState::dropped;
    case LetterVerb::delivered:
      return LetterState::delivered;
    case LetterVerb::expired:
      return LetterState::expired;
    case LetterVerb::filtered:
      return LetterState::filtered;
  }
  return LetterState::open;
}

const LetterStep* last_return(const DeadLetter& letter) {
  for (const TakenStep& each : std::views::reverse(letter.steps)) {
    if (each.step.verb == LetterVerb::returned) {
      return &each.step;
    }
  }
  return nullptr;
}

}  // namespace

std::vector<journal::RecordType> letter_record_types() {
  using journal::RecordClass;
  return {{RecordClass::queue, kLetterRecord, 1, "dead letter"},
          {RecordClass::queue, kLetterStepRecord, 1, "step of a dead letter"}};
}

std::string_view to_string(LetterState state) noexcept {
  constexpr std::array<std::string_view, kLetterStates> names{"open",    "replaying", "delivered",
                                                              "dropped", "expired",   "filtered"};
  return names[static_cast<std::size_t>(state)];
}

std::optional<LetterState> parse_letter_state(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kLetterStates; ++i) {
    if (text == to_string(static_cast<LetterState>(i))) {
      return static_cast<LetterState>(i);
    }
  }
  return std::nullopt;
}

std::string_view to_string(LetterVerb verb) noexcept {
  constexpr std::array<std::string_view, kLetterVerbs + 1> names{
      "", "edit", "replay", "drop", "delivered", "returned", "expired", "filtered"};
  return names[static_cast<std::size_t>(verb)];
}

std::string encode(const LetterStep& step) {
  std::string body;
  journal::BodyWriter writer(body);
  writer.number(kVerb, static_cast<std::uint64_t>(step.verb));
  for (const auto& [tag, text] : {std::pair(kWho, &step.who), std::pair(kWhy, &step.why)}) {
    if (!text->empty()) {
      writer.bytes(tag, *text);
    }
  }
  if (step.verb == LetterVerb::edit) {
    writer.bytes(kData, step.data);
  }
  if (step.verb == LetterVerb::returned) {
    writer.bytes(kCode, step.code).bytes(kBody, step.body).number(kAttempts, step.attempts);
  }
  return body;
}

Result<LetterStep> decode_letter_step(std::string_view body) {
  LetterStep step;
  journal::BodyReader reader(body);
  for (;;) {
    const auto field = reader.next();
    if (!field) {
      return std::unexpected(field.error());
    }
    if (!*field) {
      return step;
    }
    if (const auto taken = take(step, **field); !taken) {
      return std::unexpected(taken.error());
    }
  }
}

std::uint64_t DeadLetter::attempts() const {
  std::uint64_t count = parse_int<std::uint64_t>(event.attribute("deadletterattempts")).value_or(0);
  for (const TakenStep& each : steps) {
    count += each.step.attempts;
  }
  return count;
}

std::string_view DeadLetter::code() const {
  const LetterStep* const last = last_return(*this);
  return last != nullptr ? std::string_view(last->code) : event.attribute("deadlettercode");
}

std::string_view DeadLetter::body() const {
  const LetterStep* const last = last_return(*this);
  return last != nullptr ? std::string_view(last->body) : event.attribute("deadletterbody");
}

Result<> fold(DeadLetter& letter, const journal::Record& record) {
  if ((record.version == 1) != (record.type == kLetterRecord) || record.version != letter.version + 1) {
    return fail(Errc::invalid, fmt::format("the records of dead letter {} are damaged: type {} at version {}",
                                           record.stream.value(), record.type, record.version));
  }
  letter.version = record.version;
  if (record.type == kLetterRecord) {
    auto event = journal::decode_event(record.body);
    if (!event) {
      return std::unexpected(std::move(event.error()));
    }
    letter.event = *std::move(event);
    letter.buried = record.time.value();
    return {};
  }
  auto step = decode_letter_step(record.body);
  if (!step) {
    return std::unexpected(std::move(step.error()));
  }
  letter.state = after(step->verb);
  if (step->verb == LetterVerb::edit) {
    letter.edited = true;
    letter.event.data = step->data;
    std::erase_if(letter.event.attributes, [](const auto& each) { return each.first == "deadletterdata"; });
  }
  letter.steps.push_back({.time = record.time.value(), .step = *std::move(step)});
  return {};
}

std::string objection(const DeadLetter& letter, LetterVerb verb) {
  if (letter.state == LetterState::replaying) {
    return "it is being sent again; wait for what comes of that";
  }
  if (is_settled(letter.state)) {
    return fmt::format("it is {} already", to_string(letter.state));
  }
  if (verb != LetterVerb::drop && letter.steps.size() + 2 > kMaxLetterSteps) {
    return fmt::format("{} steps were taken with it, and no more can be: drop it", letter.steps.size());
  }
  if (verb == LetterVerb::replay && letter.event.attribute("deadletterdata") == "left-out") {
    return fmt::format(
        "its data did not fit and was left out; the original is at {} of topic {}: edit it first",
        letter.position(), letter.event.attribute("deadlettertopic"));
  }
  return {};
}

journal::Event original_of(const DeadLetter& letter) {
  journal::Event event = letter.event;
  std::erase_if(event.attributes, [](const auto& each) { return each.first.starts_with(kDeadPrefix); });
  return event;
}

std::string letter_row_name(std::string_view subscription) {
  return fmt::format("{}{}", kRowPrefix, subscription);
}

std::optional<std::string_view> subscription_of_row(std::string_view name) noexcept {
  if (!name.starts_with(kRowPrefix)) {
    return std::nullopt;
  }
  return name.substr(kRowPrefix.size());
}

std::string letter_row(const DeadLetter& letter) {
  const auto text = [&letter](std::string_view name, std::size_t most) {
    return attribute_text(letter.event.attribute(name), most);
  };
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("search").begin_object();
  writer.key("key").value(text("partitionkey", kMaxKeyBytes));
  writer.key("reason").value(text("deadletterreason", kRowCode));
  writer.key("code").value(text("deadlettercode", kRowCode)).end();
  writer.key("event").value(text("id", kRowText)).key("type").value(text("type", kRowText));
  writer.key("position").value(text("deadletterposition", kRowText));
  writer.key("code").value(attribute_text(letter.code(), kRowCode));
  writer.key("attempts").value(letter.attempts()).key("edited").value(letter.edited).end();
  return out;
}

}  // namespace flotilla::events
