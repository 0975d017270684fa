#include "flotilla/base/iso_time.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"

namespace flotilla {
namespace {

// Takes `digits` digits off the front.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  const auto number = text.size() < digits ? std::nullopt : parse_int<unsigned>(text.substr(0, digits));
  text.remove_prefix(std::min(digits, text.size()));
  return number ? std::optional(static_cast<int>(*number)) : std::nullopt;
}

bool take(std::string_view& text, char expected, char also) {
  const bool good = !text.empty() && (text[0] == expected || text[0] == also);
  text.remove_prefix(good ? 1 : 0);
  return good;
}

// ".123" and so on; none is 0.
std::optional<Duration> take_fraction(std::string_view& text) {
  std::int64_t ns = 0;
  if (!take(text, '.', '.')) {
    return Duration(0);
  }
  std::size_t digits = 0;
  for (std::int64_t worth = 100'000'000; digits < text.size() && is_digit(text[digits]);
       ++digits, worth /= 10) {
    ns += worth * (text[digits] - '0');
  }
  text.remove_prefix(digits);
  return digits == 0 ? std::nullopt : std::optional(Duration(ns));
}

// The offset at the end of `text`, which is all that is left.
std::optional<Duration> read_offset(std::string_view text) {
  if (text == "Z" || text == "z") {
    return Duration(0);
  }
  const bool east = text.starts_with('+');
  if (!take(text, '+', '-')) {
    return std::nullopt;
  }
  const auto hours = take_number(text, 2);
  const bool colon = take(text, ':', ':');
  const auto minutes = take_number(text, 2);
  if (!hours || !colon || !minutes || !text.empty() || *hours > 23 || *minutes > 59) {
    return std::nullopt;
  }
  const Duration offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return east ? offset : -offset;
}

}  // namespace

void append_iso_time(std::string& out, WallTime time) {
  using std::chrono::floor;
  const std::chrono::sys_time<Duration> at{Duration{time.ns_since_epoch}};
  const auto day = floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss of_day{floor<Millis>(at - day)};
  const int year{date.year()};
  FLOTILLA_ASSERT(year >= 0 && year <= 9999);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", year,
                 unsigned{date.month()}, unsigned{date.day()}, of_day.hours().count(),
                 of_day.minutes().count(), of_day.seconds().count(), of_day.subseconds().count());
}

std::string iso_time(WallTime time) {
  std::string out;
  append_iso_time(out, time);
  return out;
}

std::optional<WallTime> parse_iso_time(std::string_view text) {
  const auto year = take_number(text, 4);
  const bool dash = take(text, '-', '-');
  const auto month = take_number(text, 2);
  const bool dash_again = take(text, '-', '-');
  const auto day = take_number(text, 2);
  const bool between = take(text, 'T', 't');
  const auto hour = take_number(text, 2);
  const bool colon = take(text, ':', ':');
  const auto minute = take_number(text, 2);
  const bool colon_again = take(text, ':', ':');
  const auto second = take_number(text, 2);
  if (!year || !dash || !month || !dash_again || !day || !between || !hour || !colon || !minute ||
      !colon_again || !second || *hour > 23 || *minute > 59 || *second > 60 || *year < 1678 || *year > 2261) {
    return std::nullopt;
  }
  const auto fraction = take_fraction(text);
  const auto offset = read_offset(text);
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!fraction || !offset || !date.ok()) {
    return std::nullopt;
  }
  const Duration of_day =
      std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second) + *fraction;
  return WallTime{
      (std::chrono::sys_time<Duration>(std::chrono::sys_days(date)).time_since_epoch() + of_day - *offset)
          .count()};
}

}  // namespace flotilla
