#include "flotilla/journal/core/record.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/core/body.hpp"
#include "flotilla/journal/core/varint.hpp"

namespace flotilla::journal {

std::string_view to_string(RecordClass record_class) noexcept {
  constexpr std::array<std::string_view, 5> names{"", "saga", "topic", "queue", "aggregate"};
  return names[static_cast<std::size_t>(record_class)];
}

Result<RecordClass> parse_record_class(std::string_view name) {
  const auto* const found =
      std::ranges::find_if(kRecordClasses, [&](RecordClass c) { return to_string(c) == name; });
  if (found == std::end(kRecordClasses)) {
    return fail(Errc::invalid,
                fmt::format("\"{}\" is no class of records: saga, topic, queue or aggregate", name));
  }
  return *found;
}

void encode(std::string& out, const Record& r) {
  FLOTILLA_ASSERT(!to_string(r.record_class).empty());
  FLOTILLA_ASSERT(r.stream.value() >= 1 && r.stream.value() <= kMaxNumber);
  FLOTILLA_ASSERT(r.version >= 1 && r.version <= kMaxNumber && r.epoch <= kMaxNumber);
  FLOTILLA_ASSERT(r.type >= 1 && r.schema >= 1 && r.time.value() >= 0 && r.body.size() <= kMaxBody);
  out.push_back(static_cast<char>(kRecordFormat));
  out.push_back(static_cast<char>(r.record_class));
  append_varint(out, r.stream.value());
  append_varint(out, r.version);
  append_varint(out, r.epoch);
  append_varint(out, r.type);
  append_varint(out, r.schema);
  append_varint(out, static_cast<std::uint64_t>(r.time.value()));
  out.append(r.body);
}

namespace {

// Reads the numbers of a head one after the other; the first that is not there or out of range is named.
class HeadReader {
 public:
  explicit HeadReader(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t number(std::string_view name, std::uint64_t least, std::uint64_t most) {
    const auto value = read_varint(bytes_, at_);
    if (error_.empty() && (!value || *value < least || *value > most)) {
      error_ = fmt::format("the {} at byte {} of a record is {}", name, at_,
                           value ? fmt::format("{}, beyond {}..{}", *value, least, most) : "cut or overlong");
    }
    return value.value_or(0);
  }
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] std::string_view rest() const { return bytes_.substr(at_); }

 private:
  std::string_view bytes_;
  std::size_t at_ = 2;
  std::string error_;
};

}  // namespace

Result<Record> decode(std::string_view bytes) {
  if (bytes.size() < 2) {
    return fail(Errc::invalid, fmt::format("a record of {} bytes is cut", bytes.size()));
  }
  const auto format = static_cast<std::uint8_t>(bytes[0]);
  if (format != kRecordFormat) {
    return fail(Errc::unsupported,
                fmt::format("a record has format {}, this version of Flotilla reads {}: it was written by a "
                            "newer version, or is damaged",
                            format, kRecordFormat));
  }
  Record record;
  record.record_class = static_cast<RecordClass>(bytes[1]);
  if (std::ranges::find(kRecordClasses, record.record_class) == std::end(kRecordClasses)) {
    return fail(Errc::unsupported,
                fmt::format("a record has class {}, which this version of Flotilla does not know",
                            static_cast<std::uint8_t>(bytes[1])));
  }
  HeadReader head(bytes);
  record.stream = StreamId(head.number("stream", 1, kMaxNumber));
  record.version = head.number("version", 1, kMaxNumber);
  record.epoch = head.number("epoch", 0, kMaxNumber);
  record.type = static_cast<std::uint16_t>(head.number("type", 1, 0xffff));
  record.schema = static_cast<std::uint16_t>(head.number("schema", 1, 0xffff));
  record.time = UtcMillis(static_cast<std::int64_t>(head.number("time", 0, kMaxNumber)));
  if (!head.error().empty()) {
    return fail(Errc::invalid, head.error());
  }
  const std::string_view body = head.rest();
  if (body.size() > kMaxBody) {
    return fail(Errc::invalid,
                fmt::format("the body of a record has {} bytes, the limit is {}", body.size(), kMaxBody));
  }
  if (auto ok = check_body(body); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  record.body = body;
  return record;
}

void Vocabulary::add(std::span<const RecordType> types) {
  for (const RecordType& type : types) {
    FLOTILLA_ASSERT(type.type >= 1 && type.newest_schema >= 1 && !type.name.empty());
    const bool fresh = types_.emplace(std::pair(type.record_class, type.type), type).second;
    FLOTILLA_ASSERT(fresh);
  }
}

Result<> Vocabulary::check(RecordClass record_class, std::uint16_t type, std::uint16_t schema) const {
  const auto found = types_.find({record_class, type});
  if (found == types_.end()) {
    return fail(
        Errc::unsupported,
        fmt::format("{} records have no type {} in this version of Flotilla: a newer version wrote it",
                    to_string(record_class), type));
  }
  if (schema < 1 || schema > found->second.newest_schema) {
    return fail(
        Errc::unsupported,
        fmt::format("{} record \"{}\" has schema {}, this version of Flotilla reads 1..{}: a newer "
                    "version wrote it",
                    to_string(record_class), found->second.name, schema, found->second.newest_schema));
  }
  return {};
}

std::string_view Vocabulary::name(RecordClass record_class, std::uint16_t type) const noexcept {
  const auto found = types_.find({record_class, type});
  return found == types_.end() ? std::string_view() : found->second.name;
}

}  // namespace flotilla::journal
