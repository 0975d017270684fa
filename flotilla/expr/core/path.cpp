#include "flotilla/expr/core/path.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "flotilla/expr/core/failure.hpp"
#include "flotilla/json/utf8.hpp"

namespace flotilla::expr {
namespace {

using json::Value;

std::unexpected<EvalError> cannot_index(const Value& value, const Value& key) {
  return type_error(
      key.is_string() && key.text_size() <= 256
          ? fmt::format("Cannot index {} with string \"{}\"", to_string(value.kind()), key.as_string())
          : fmt::format("Cannot index {} with {}", to_string(value.kind()), to_string(key.kind())));
}

// The position an index means in an array of `size`: from the end if negative; nothing if it is outside or
// not whole.
std::optional<std::size_t> position(const Value& index, std::size_t size) {
  const auto i = index.as_int();
  if (!i) {
    return std::nullopt;
  }
  const auto n = static_cast<std::int64_t>(size);
  if (*i >= n || *i < -n) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(*i < 0 ? *i + n : *i);
}

struct Bounds {
  std::size_t from;
  std::size_t to;
};

// jq's bounds: negative ones count from the end, fractions widen the slice, both are clamped.
std::expected<Bounds, EvalError> bounds(const Value& from, const Value& to, std::size_t size) {
  const auto bound = [](const Value& v, double missing) { return v.is_null() ? missing : v.as_double(); };
  const auto n = static_cast<double>(size);
  const auto first = bound(from, 0);
  const auto last = bound(to, n);
  if (!first || !last) {
    return type_error("Start and end indices of an array slice must be numbers");
  }
  const auto clamp = [&](double x) { return std::clamp(x < 0 ? x + n : x, 0.0, n); };
  const double start = std::floor(clamp(*first));
  return Bounds{static_cast<std::size_t>(start),
                static_cast<std::size_t>(std::max(start, std::ceil(clamp(*last))))};
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

// The byte at which character number `index` starts.
std::size_t byte_of(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  while (index-- > 0 && at < text.size()) {
    at += json::utf8_sequence(text, at);
  }
  return at;
}

// `value` without the members or elements at all of `keys`, whose positions are those before any is removed.
Outcome without_keys(Value value, std::span<const Value> keys, Meter& meter) {
  if (keys.empty() || value.is_null()) {
    return value;
  }
  if (!meter.copy(value.size() * (value.is_object() ? keys.size() : 1) + keys.size())) {
    return out_of_steps();
  }
  std::vector<bool> removed(value.is_array() ? value.size() : 0);
  for (const Value& key : keys) {
    if (value.is_object() && key.is_string()) {
      value.erase(key.as_string());
      continue;
    }
    if (!value.is_array() || (!key.is_number() && !key.is_object())) {
      return type_error(fmt::format("Cannot delete field at {} index of {}", to_string(key.kind()),
                                    to_string(value.kind())));
    }
    Bounds range{0, 0};
    if (const auto at = position(key, value.size())) {
      range = {*at, *at + 1};
    } else if (key.is_object()) {
      const auto of_slice = bounds(key["start"], key["end"], value.size());
      if (!of_slice) {
        return std::unexpected(of_slice.error());
      }
      range = *of_slice;
    }
    std::fill(removed.begin() + static_cast<std::ptrdiff_t>(range.from),
              removed.begin() + static_cast<std::ptrdiff_t>(range.to), true);
  }
  if (value.is_object()) {
    return value;
  }
  Value rest = Value::array();
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!removed[i]) {
      rest.push_back(value[i]);
    }
  }
  return rest;
}

// Recursion is bounded by the length of the paths, which is that of the program.
Outcome without_below(Value value, std::span<const Value> paths, std::size_t depth, Meter& meter) {
  std::vector<Value> keys;
  for (std::size_t i = 0, next = 0; i < paths.size(); i = next) {
    const Value& key = paths[i][depth];
    for (next = i + 1; next < paths.size() && paths[next][depth] == key; ++next) {
    }
    if (paths[i].size() == depth + 1) {  // the whole key goes, and with it whatever is below
      keys.push_back(key);
      continue;
    }
    auto inner = get(value, key, meter);
    if (!inner) {
      return inner;
    }
    if (inner->is_null()) {
      continue;
    }
    if (key.is_object()) {
      return type_error("Cannot delete inside a slice; delete the slice, or elements by their index");
    }
    auto rest = without_below(std::move(*inner), paths.subspan(i, next - i), depth + 1, meter);
    if (!rest) {
      return rest;
    }
    if (!meter.copy(value.is_shared() ? value.size() : 0)) {
      return out_of_steps();
    }
    if (value.is_object()) {
      value.set_member(key, std::move(*rest));
    } else {
      value.set(*position(key, value.size()), std::move(*rest));  // it is there: get() found it
    }
  }
  return without_keys(std::move(value), keys, meter);
}

}  // namespace

Outcome get(const Value& value, const Value& key, Meter& meter) {
  if (key.is_object() && (value.is_array() || value.is_string() || value.is_null())) {
    return slice(value, key["start"], key["end"], meter);
  }
  if (value.is_null() && (key.is_string() || key.is_number() || key.is_null())) {
    return Value();
  }
  if (value.is_object() && key.is_string()) {
    return value[key.as_string()];
  }
  if (value.is_array() && key.is_number()) {
    const auto at = position(key, value.size());
    return at ? value[*at] : Value();
  }
  if (value.is_array() && key.is_array()) {
    return positions(value, key, meter);
  }
  return cannot_index(value, key);
}

Outcome slice(const Value& value, const Value& from, const Value& to, Meter& meter) {
  if (value.is_null()) {
    return Value();
  }
  if (!value.is_array() && !value.is_string()) {
    return type_error(fmt::format("Cannot index {} with object", to_string(value.kind())));
  }
  if (!meter.walk_text(value.is_string() ? value.text_size() : 0)) {
    return out_of_steps();
  }
  const std::size_t size = value.is_string() ? count_characters(value.as_string()) : value.size();
  const auto range = bounds(from, to, size);
  if (!range) {
    return std::unexpected(range.error());
  }
  if (value.is_string()) {
    const std::string_view text = value.as_string();
    const std::size_t start = byte_of(text, range->from);
    return Value(text.substr(start, byte_of(text.substr(start), range->to - range->from)));
  }
  if (!meter.copy(range->to - range->from)) {
    return out_of_steps();
  }
  Value part = Value::array();
  part.reserve(range->to - range->from);
  for (const Value& item : value.items().subspan(range->from, range->to - range->from)) {
    part.push_back(item);
  }
  return part;
}

Value slice_key(const Value& from, const Value& to) { return Value::object({{"start", from}, {"end", to}}); }

Outcome without_paths(const Value& value, std::span<const Value> paths, Meter& meter) {
  if (paths.empty()) {
    return value;
  }
  return paths[0].empty() ? Outcome(Value()) : without_below(value, paths, 0, meter);
}

Outcome positions(const Value& array, const Value& part, Meter& meter) {
  Value found = Value::array();
  if (part.empty()) {
    return found;
  }
  const std::uint64_t bytes = array.text_size() + array.size() * part.text_size();
  if (!meter.walk_text(bytes) || !meter.copy(array.size())) {
    return out_of_steps();
  }
  for (std::size_t i = 0; i + part.size() <= array.size(); ++i) {
    if (std::ranges::equal(array.items().subspan(i, part.size()), part.items())) {
      found.push_back(i);
    }
  }
  return found;
}

}  // namespace flotilla::expr
