#include "flotilla/base/iso_time.hpp"

#include <chrono>
#include <iterator>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"

namespace flotilla {

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

}  // namespace flotilla
