#include "flotilla/cqrs/core/view_record.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/sha256.hpp"
#include "flotilla/journal/core/body.hpp"

namespace flotilla::cqrs {
namespace {

using journal::BodyReader;
using journal::BodyWriter;
using journal::Field;

// Tags of a record.
constexpr std::uint32_t kNext = 1;
constexpr std::uint32_t kLive = 2;
constexpr std::uint32_t kBuilding = 3;
constexpr std::uint32_t kDoomed = 4;
// Of a version within it.
constexpr std::uint32_t kGeneration = 1;
constexpr std::uint32_t kHash = 2;
constexpr std::uint32_t kFrom = 3;
constexpr std::uint32_t kKey = 4;
constexpr std::uint32_t kRow = 5;
constexpr std::uint32_t kFold = 6;
// Of a checkpoint.
constexpr std::uint32_t kEvents = 1;
constexpr std::uint32_t kRows = 2;
constexpr std::uint32_t kPosition = 3;

std::string encode(const ViewVersion& version) {
  std::string out;
  BodyWriter writer(out);
  writer.number(kGeneration, version.generation).bytes(kHash, version.hash);
  for (const std::string& topic : version.texts.from) {
    writer.bytes(kFrom, topic);
  }
  writer.bytes(kKey, version.texts.key).bytes(kRow, version.texts.row).bytes(kFold, version.texts.fold);
  return out;
}

std::unexpected<Error> unknown(std::string_view what, std::uint32_t tag) {
  return fail(Errc::invalid, fmt::format("the kept {} of a view has a field {}, which is not known: a newer "
                                         "version of Flotilla wrote it, or it is damaged",
                                         what, tag));
}

// Calls `take(field)` for each, which says whether it knows it.
template <class Take>
Result<> read_fields(std::string_view what, std::string_view bytes, Take take) {
  BodyReader reader(bytes);
  for (;;) {
    const auto field = reader.next();
    if (!field) {
      return std::unexpected(field.error());
    }
    if (!*field) {
      return {};
    }
    if (!take(**field)) {
      return unknown(what, (*field)->tag);
    }
  }
}

Result<ViewVersion> decode_version(std::string_view bytes) {
  ViewVersion version;
  const auto read = read_fields("version", bytes, [&](const Field& field) {
    if (field.tag == kGeneration && !field.is_bytes) {
      version.generation = field.number;
      return true;
    }
    if (!field.is_bytes) {
      return false;
    }
    const std::string text(field.bytes);
    switch (field.tag) {
      case kHash:
        version.hash = text;
        return true;
      case kFrom:
        version.texts.from.push_back(text);
        return true;
      case kKey:
        version.texts.key = text;
        return true;
      case kRow:
        version.texts.row = text;
        return true;
      case kFold:
        version.texts.fold = text;
        return true;
      default:
        return false;
    }
  });
  if (!read) {
    return std::unexpected(read.error());
  }
  return version;
}

void doom(ViewRecord& record, std::optional<ViewVersion>& version) {
  if (version) {
    record.doomed.push_back(version->generation);
    version.reset();
  }
}

void begin(ViewRecord& record, const ViewDefinition& wanted) {
  record.building = ViewVersion{.generation = record.next++, .hash = wanted.hash, .texts = wanted.texts};
}

}  // namespace

std::string encode(const ViewRecord& record) {
  std::string out;
  BodyWriter writer(out);
  writer.number(kNext, record.next);
  if (record.live) {
    writer.bytes(kLive, encode(*record.live));
  }
  if (record.building) {
    writer.bytes(kBuilding, encode(*record.building));
  }
  for (const Generation generation : record.doomed) {
    writer.number(kDoomed, generation);
  }
  return out;
}

Result<ViewRecord> decode_view_record(std::string_view bytes) {
  ViewRecord record;
  Result<> good;
  const auto read = read_fields("record", bytes, [&](const Field& field) {
    if (field.tag == kNext && !field.is_bytes) {
      record.next = field.number;
    } else if (field.tag == kDoomed && !field.is_bytes) {
      record.doomed.push_back(field.number);
    } else if ((field.tag == kLive || field.tag == kBuilding) && field.is_bytes) {
      auto version = decode_version(field.bytes);
      if (!version) {
        good = std::unexpected(std::move(version.error()));
        return true;
      }
      (field.tag == kLive ? record.live : record.building) = std::move(*version);
    } else {
      return false;
    }
    return true;
  });
  if (!read || !good) {
    return std::unexpected(!read ? read.error() : good.error());
  }
  return record;
}

std::string encode(const Checkpoint& checkpoint) {
  std::string out;
  BodyWriter writer(out);
  writer.number(kEvents, checkpoint.events).number(kRows, checkpoint.rows);
  if (checkpoint.position.shards() > 1) {
    writer.bytes(kPosition, checkpoint.position.text());
  }
  return out;
}

Result<Checkpoint> decode_checkpoint(journal::Position position, std::string_view bytes,
                                     std::uint32_t shards) {
  Checkpoint checkpoint{.position = journal::ReadToken(shards), .events = 0, .rows = 0};
  checkpoint.position.advance_to(position);
  const auto read = read_fields("checkpoint", bytes, [&](const Field& field) {
    if (field.tag == kPosition && field.is_bytes) {
      auto token = journal::ReadToken::parse(field.bytes, shards);
      checkpoint.position = token.value_or(checkpoint.position);
      return token.has_value();
    }
    if (field.is_bytes || field.tag > kRows) {
      return false;
    }
    (field.tag == kEvents ? checkpoint.events : checkpoint.rows) = field.number;
    return true;
  });
  if (!read) {
    return std::unexpected(read.error());
  }
  return checkpoint;
}

ViewRecord adopt(ViewRecord record, const ViewDefinition& wanted, bool has_live, bool has_building) {
  if (record.live && !has_live) {
    doom(record, record.live);
  }
  if (record.building && !has_building) {
    doom(record, record.building);
  }
  const bool builds_it = record.building && record.building->hash == wanted.hash;
  if (builds_it) {
    return record;
  }
  doom(record, record.building);
  if (!record.live || record.live->hash != wanted.hash) {
    begin(record, wanted);
  }
  return record;
}

ViewRecord rebuild(ViewRecord record, const ViewDefinition& wanted) {
  doom(record, record.building);
  begin(record, wanted);
  return record;
}

ViewRecord flip(ViewRecord record) {
  FLOTILLA_ASSERT(record.building);
  doom(record, record.live);
  record.live = std::exchange(record.building, std::nullopt);
  return record;
}

ViewRecord without_doomed(ViewRecord record, Generation gone) {
  std::erase(record.doomed, gone);
  return record;
}

std::string record_cursor(std::string_view view) { return fmt::format("view/{}", view); }

// No name of a topic has a slash.
std::string checkpoint_cursor(std::string_view view, Generation generation, std::string_view topic,
                              std::uint32_t shard) {
  return shard == 0 ? fmt::format("view/{}/{}/{}", view, generation, topic)
                    : fmt::format("view/{}/{}/{}/{}", view, generation, topic, shard);
}

std::uint32_t home_shard(std::string_view view, std::uint32_t shards) noexcept {
  if (shards == 1) {
    return 0;
  }
  const Sha256 hash = sha256(fmt::format("view\n{}", view));
  return (static_cast<std::uint32_t>(hash[0]) << 8 | hash[1]) % shards;
}

// 63 bits of a hash: a number that nobody has to give out, and which two versions share with a probability
// of less than one in a million million, were there a thousand of them.
std::uint64_t rows_table(std::string_view view, Generation generation) {
  const Sha256 digest = sha256(fmt::format("view rows\n{}\n{}", view, generation));
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    number = number << 8 | digest[i];
  }
  return number >> 1;
}

}  // namespace flotilla::cqrs
