#include "flotilla/journal/core/line.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/journal/core/body.hpp"
#include "flotilla/json/utf8.hpp"

namespace flotilla::journal {
namespace {

bool is_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = json::utf8_sequence(bytes, at);
    if (size == 0) {
      return false;
    }
    at += size;
  }
  return true;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return out;
}

}  // namespace

json::Value text_to_json(std::string_view bytes) {
  if (is_utf8(bytes)) {
    return {bytes};
  }
  return json::Value::object({{"hex", to_hex(bytes)}});
}

json::Value body_to_json(std::string_view body) {
  json::Value fields = json::Value::array();
  BodyReader reader(body);
  while (true) {
    const auto field = reader.next();
    FLOTILLA_ASSERT(field.has_value());
    if (!*field) {
      return fields;
    }
    const Field& f = **field;
    fields.push_back(
        json::Value::array({json::Value(f.tag), f.is_bytes ? text_to_json(f.bytes) : json::Value(f.number)}));
  }
}

json::Value hash_to_json(const Hash& hash) {
  return {to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()})};
}

MemberReader::MemberReader(const json::Value& object, std::initializer_list<std::string_view> names)
    : object_(object) {
  if (!object.is_object()) {
    fault_ = "no object";
  }
  for (const json::Member& member : object.members()) {
    if (std::ranges::find(names, member.key()) == names.end()) {
      fault(member.key(), "is not known");
    }
  }
}

void MemberReader::fault(std::string_view name, std::string_view what) {
  if (fault_.empty()) {
    fault_ = fmt::format("\"{}\" {}", name, what);
  }
}

std::uint64_t MemberReader::number(std::string_view name, std::uint64_t least, std::uint64_t most) {
  const json::Value& value = object_[name];
  const auto number = value.is_number() ? parse_int<std::uint64_t>(value.number_text()) : std::nullopt;
  if (!number || *number < least || *number > most) {
    fault(name, fmt::format("is no whole number from {} to {}", least, most));
    return 0;
  }
  return *number;
}

std::string MemberReader::bytes(std::string_view name, const json::Value& value) {
  if (value.is_string()) {
    return std::string(value.as_string());
  }
  if (value["hex"].is_string() && value.size() == 1) {
    if (auto decoded = from_hex(value["hex"].as_string())) {
      return std::move(*decoded);
    }
  }
  fault(name, "is neither a string nor {\"hex\": \"...\"}");
  return {};
}

std::string MemberReader::text(std::string_view name) { return bytes(name, object_[name]); }

RecordClass MemberReader::record_class(std::string_view name) {
  const auto found = parse_record_class(object_[name].is_string() ? object_[name].as_string() : "");
  if (!found) {
    fault(name, "is no class of records");
    return RecordClass::saga;
  }
  return *found;
}

std::string MemberReader::body(std::string_view name) {
  const json::Value& fields = object_[name];
  if (!fields.is_array()) {
    fault(name, "is no list of fields");
  }
  std::string body;
  BodyWriter writer(body);
  std::int64_t last_tag = 1;
  for (const json::Value& field : fields.items()) {
    const auto tag = field[std::size_t{0}].as_int();
    if (field.size() != 2 || !tag || *tag < last_tag || *tag >= (std::int64_t{1} << 29)) {
      fault(name, "has a field that is no [tag, value] with ascending tags");
      return {};
    }
    last_tag = *tag;
    const json::Value& value = field[1];
    if (!value.is_number()) {
      writer.bytes(static_cast<std::uint32_t>(*tag), bytes(name, value));
    } else if (const auto number = parse_int<std::uint64_t>(value.number_text())) {
      writer.number(static_cast<std::uint32_t>(*tag), *number);
    } else {
      fault(name, "has a number that is no whole 64-bit number");
    }
  }
  if (body.size() > kMaxBody) {
    fault(name, "is too large");
  }
  return body;
}

Hash MemberReader::hash(std::string_view name) {
  Hash hash{};
  const auto decoded = from_hex(object_[name].is_string() ? object_[name].as_string() : "");
  if (!decoded || decoded->size() != hash.size()) {
    fault(name, "is no hash of 64 hexadecimal digits");
    return hash;
  }
  std::ranges::copy(*decoded, reinterpret_cast<char*>(hash.data()));
  return hash;
}

Result<> MemberReader::finish() const {
  if (!fault_.empty()) {
    return fail(Errc::invalid, fault_);
  }
  return {};
}

}  // namespace flotilla::journal
