// The record: the one unit that every store of the journal keeps, in the one encoding that all share.
//
// For: stores, which write and read records; sagas, topics, queues and aggregates, which fold them.
// Encoding, format 1, in this order: format (1 byte), class (1 byte), then stream, version, epoch, type,
//   schema and time as varints (LEB128, shortest form only), then the body to the end. Some 15 bytes beside
//   the body. There is no checksum: stores bring their own.
// A body is a sequence of tagged fields (core/body.hpp).
// Reading is strict: an unknown format, class, type or schema, a varint in a longer form than needed, a
//   torn body: each is an error that says what was met. Nothing is ever skipped, because a fold that
//   skips is a fold that lies.
// Ownership: a Record owns its body. Threads: pure functions, plain values.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "flotilla/base/error.hpp"
#include "flotilla/base/strong.hpp"

namespace flotilla::journal {

// What a stream is. The numbers are on disk.
enum class RecordClass : std::uint8_t { saga = 1, topic = 2, queue = 3, aggregate = 4 };
inline constexpr RecordClass kRecordClasses[] = {RecordClass::saga, RecordClass::topic, RecordClass::queue,
                                                 RecordClass::aggregate};

// "saga", "topic", "queue", "aggregate".
[[nodiscard]] std::string_view to_string(RecordClass record_class) noexcept;
[[nodiscard]] Result<RecordClass> parse_record_class(std::string_view name);

// Streams are numbered in the order of their creation, over all classes, so that inserts stay at the right
// edge of every index; from 1, or per shard (core/shard.hpp). 0 is no stream. Below 2^63, which is what SQL
// stores hold.
using StreamId = Strong<struct StreamIdTag, std::uint64_t>;

// Milliseconds since the Unix epoch, UTC; never negative. For records and for people, never for waiting.
using UtcMillis = Strong<struct UtcMillisTag, std::int64_t>;

struct Record {
  RecordClass record_class = RecordClass::saga;
  StreamId stream;
  std::uint64_t version = 0;  // from 1, without gaps within the stream
  std::uint64_t epoch = 0;    // of the owner that wrote it; never decreases along a stream
  std::uint16_t type = 0;     // from 1; what it means is the class's own affair (Vocabulary)
  std::uint16_t schema = 1;   // from 1; which form of that type's body
  UtcMillis time;
  std::string body;

  friend bool operator==(const Record&, const Record&) = default;
};

inline constexpr std::uint8_t kRecordFormat = 1;
inline constexpr std::size_t kMaxBody = std::size_t{1} << 20;
// Streams, versions, epochs and times fit a signed 64-bit integer, the largest that SQL stores keep.
inline constexpr std::uint64_t kMaxNumber = (std::uint64_t{1} << 63) - 1;

// Appends the record to `out`. Asserts that every field is within its range.
void encode(std::string& out, const Record& record);

// Errors: unsupported (a format or class of a newer version), invalid (damaged).
[[nodiscard]] Result<Record> decode(std::string_view bytes);

// One type of record that this program knows.
struct RecordType {
  RecordClass record_class;
  std::uint16_t type;
  std::uint16_t newest_schema;  // all from 1 to this are understood
  std::string_view name;        // for messages and exports; a literal
};

// Every type that this program knows; given to a store when it is opened.
class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(std::initializer_list<RecordType> types) { add(types); }

  // Asserts that no type is there twice.
  void add(std::span<const RecordType> types);

  // Errors: unsupported; the message says that a newer version of Flotilla wrote such a record.
  [[nodiscard]] Result<> check(RecordClass record_class, std::uint16_t type, std::uint16_t schema) const;
  // "" for an unknown type.
  [[nodiscard]] std::string_view name(RecordClass record_class, std::uint16_t type) const noexcept;

 private:
  std::map<std::pair<RecordClass, std::uint16_t>, RecordType> types_;
};

}  // namespace flotilla::journal
