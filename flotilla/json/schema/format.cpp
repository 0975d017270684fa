#include "flotilla/json/schema/format.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "flotilla/base/text.hpp"
#include "flotilla/json/schema/uri.hpp"

namespace flotilla::json::schema {
namespace {

bool is_alphanumeric(char c) noexcept {
  return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

// Takes exactly `digits` digits off the front.
std::optional<int> take_number(std::string_view& text, std::size_t digits) noexcept {
  const std::string_view front = text.substr(0, digits);
  if (front.size() < digits || !std::ranges::all_of(front, is_digit)) {
    return std::nullopt;
  }
  text.remove_prefix(digits);
  return parse_int<int>(front);
}

bool take(std::string_view& text, char c) noexcept {
  if (!text.starts_with(c)) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

// RFC 3339, 5.6: full-date, with the days that the month has.
bool take_date(std::string_view& text) noexcept {
  const auto year = take_number(text, 4);
  if (!year || !take(text, '-')) {
    return false;
  }
  const auto month = take_number(text, 2);
  if (!month || *month < 1 || *month > 12 || !take(text, '-')) {
    return false;
  }
  const auto day = take_number(text, 2);
  constexpr std::array days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
  const int last = *month == 2 && leap ? 29 : days[static_cast<std::size_t>(*month - 1)];
  return day && *day >= 1 && *day <= last;
}

// "HH:MM" in minutes.
std::optional<int> take_minutes(std::string_view& text) noexcept {
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) {
    return std::nullopt;
  }
  const auto minute = take_number(text, 2);
  return minute && *minute <= 59 ? std::optional(*hour * 60 + *minute) : std::nullopt;
}

// RFC 3339, 5.6: full-time. A second 60 only where a leap second can be: at the end of a day in UTC.
bool is_time(std::string_view text) noexcept {
  constexpr int kDay = 24 * 60;
  const auto local = take_minutes(text);
  if (!local || !take(text, ':')) {
    return false;
  }
  const auto second = take_number(text, 2);
  if (!second || *second > 60) {
    return false;
  }
  if (take(text, '.')) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0) {
      return false;
    }
    text.remove_prefix(digits);
  }
  int utc = *local;
  if (!take(text, 'Z') && !take(text, 'z')) {
    const bool east = take(text, '+');
    if (!east && !take(text, '-')) {
      return false;
    }
    const auto offset = take_minutes(text);
    if (!offset) {
      return false;
    }
    utc = (*local + (east ? kDay - *offset : *offset)) % kDay;
  }
  return text.empty() && (*second < 60 || utc == kDay - 1);
}

bool is_date(std::string_view text) noexcept { return take_date(text) && text.empty(); }

bool is_date_time(std::string_view text) noexcept {
  return take_date(text) && (take(text, 'T') || take(text, 't')) && is_time(text);
}

// RFC 1123, 2.1.
bool is_hostname(std::string_view text) noexcept {
  constexpr std::size_t kMostBytes = 253;
  constexpr std::size_t kMostInLabel = 63;
  if (text.empty() || text.size() > kMostBytes) {
    return false;
  }
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > kMostInLabel || label.front() == '-' || label.back() == '-' ||
        !std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; })) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(dot + 1);
  }
}

// RFC 2673, 3.2: four decimal bytes without leading zeros.
bool is_ipv4(std::string_view text) noexcept {
  for (int part = 0; part < 4; ++part) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto value = digits <= 3 ? parse_int<int>(text.substr(0, digits)) : std::nullopt;
    if (!value || *value > 255 || (digits > 1 && text.front() == '0')) {
      return false;
    }
    text.remove_prefix(digits);
    if (part < 3 && !take(text, '.')) {
      return false;
    }
  }
  return text.empty();
}

bool is_dot_atom(std::string_view text) noexcept {
  return !text.empty() && text.front() != '.' && text.back() != '.' && !text.contains("..") &&
         std::ranges::all_of(text, [](char c) {
           return is_alphanumeric(c) || std::string_view("!#$%&'*+-/=?^_`{|}~.").contains(c);
         });
}

bool is_quoted(std::string_view text) noexcept {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') {
    return false;
  }
  text = text.substr(1, text.size() - 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return false;
    }
    if (i == text.size() || text[i] < ' ' || text[i] > '~') {
      return false;
    }
  }
  return true;
}

// RFC 5321, 4.1.2: Mailbox, with the lengths of 4.5.3.1.
bool is_email(std::string_view text) noexcept {
  constexpr std::size_t kMostLocal = 64;
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos || at > kMostLocal) {
    return false;
  }
  const std::string_view local = text.substr(0, at);
  const std::string_view domain = text.substr(at + 1);
  if (!is_dot_atom(local) && !is_quoted(local)) {
    return false;
  }
  if (domain.size() > 2 && domain.front() == '[' && domain.back() == ']') {
    const std::string_view literal = domain.substr(1, domain.size() - 2);
    return literal.starts_with("IPv6:") ? is_ipv6(literal.substr(5)) : is_ipv4(literal);
  }
  return is_hostname(domain);
}

// RFC 9562, 4: 8-4-4-4-12 hexadecimal digits.
bool is_uuid(std::string_view text) noexcept {
  if (text.size() != 36) {
    return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : hex_digit(text[i]) < 0) {
      return false;
    }
  }
  return true;
}

// RFC 6901, 3.
bool is_json_pointer(std::string_view text) noexcept {
  if (!text.empty() && text.front() != '/') {
    return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '~' && (i + 1 == text.size() || (text[i + 1] != '0' && text[i + 1] != '1'))) {
      return false;
    }
  }
  return true;
}

// draft-handrews-relative-json-pointer-01, 3.
bool is_relative_json_pointer(std::string_view text) noexcept {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || (digits > 1 && text.front() == '0')) {
    return false;
  }
  text.remove_prefix(digits);
  return text == "#" || is_json_pointer(text);
}

constexpr std::array kFormats{
    Format{"date", "a date", is_date},
    Format{"date-time", "a date and time", is_date_time},
    Format{"email", "an e-mail address", is_email},
    Format{"hostname", "a host name", is_hostname},
    Format{"ipv4", "an IPv4 address", is_ipv4},
    Format{"ipv6", "an IPv6 address", is_ipv6},
    Format{"json-pointer", "a JSON pointer", is_json_pointer},
    Format{"relative-json-pointer", "a relative JSON pointer", is_relative_json_pointer},
    Format{"time", "a time with its offset", is_time},
    Format{"uri", "a URI", is_uri},
    Format{"uri-reference", "a URI reference", is_uri_reference},
    Format{"uuid", "a UUID", is_uuid},
};

}  // namespace

const Format* find_format(std::string_view name) noexcept {
  const auto* found = std::ranges::find(kFormats, name, &Format::name);
  return found == kFormats.end() ? nullptr : found;
}

bool is_ipv6(std::string_view text) noexcept {
  int groups = 0;
  bool gap = false;  // "::" was seen
  if (text.starts_with("::")) {
    gap = true;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(':'), text.size());
    const std::string_view group = text.substr(0, end);
    if (end == text.size() && group.contains('.')) {
      groups += 2;
      return is_ipv4(group) && (gap ? groups < 8 : groups == 8);
    }
    if (group.empty() || group.size() > 4 ||
        !std::ranges::all_of(group, [](char c) { return hex_digit(c) >= 0; })) {
      return false;
    }
    ++groups;
    text.remove_prefix(end);
    if (text.starts_with("::")) {
      if (gap) {
        return false;
      }
      gap = true;
      text.remove_prefix(2);
    } else if (take(text, ':') && text.empty()) {
      return false;  // a colon at the end
    }
  }
  return gap ? groups < 8 : groups == 8;
}

}  // namespace flotilla::json::schema
