#include "flotilla/cqrs/redis_protocol.hpp"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/shared_library.hpp"

namespace flotilla::cqrs {
namespace {

struct Library {
  decltype(&redisReaderCreate) create_reader = nullptr;
  decltype(&redisReaderFree) free_reader = nullptr;
  decltype(&redisReaderFeed) feed = nullptr;
  decltype(&redisReaderGetReply) get_reply = nullptr;
  decltype(&freeReplyObject) free_reply = nullptr;
  decltype(&redisFormatCommandArgv) format = nullptr;
  decltype(&redisFreeCommand) free_command = nullptr;
};

Result<Library> load_library() {
  // Another version's structures are others.
#define FLOTILLA_TEXT(x) #x
#define FLOTILLA_TEXT_OF(x) FLOTILLA_TEXT(x)
  const std::string file = "libhiredis.so." FLOTILLA_TEXT_OF(HIREDIS_SONAME);
#undef FLOTILLA_TEXT_OF
#undef FLOTILLA_TEXT
  Library f;
  SharedLibrary from(file.c_str());
  from.find(f.create_reader, "redisReaderCreate")
      .find(f.free_reader, "redisReaderFree")
      .find(f.feed, "redisReaderFeed")
      .find(f.get_reply, "redisReaderGetReply")
      .find(f.free_reply, "freeReplyObject")
      .find(f.format, "redisFormatCommandArgv")
      .find(f.free_command, "redisFreeCommand");
  if (!from.error().empty()) {
    return fail(Errc::unsupported,
                fmt::format("copies in Redis need the library {} (Debian's package libhiredis{}): {}", file,
                            file.substr(file.find("so.") + 3), from.error()));
  }
  return f;
}

const Result<Library>& loaded() {
  static const Result<Library> library = load_library();
  return library;
}

// Of whoever has a RedisProtocol, so that it was loaded.
const Library& library() { return *loaded(); }

RedisReply to_reply(const redisReply& from) {
  RedisReply out;
  switch (from.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
      out.kind = from.type == REDIS_REPLY_ERROR ? RedisReply::Kind::error : RedisReply::Kind::text;
      out.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_INTEGER:
      out.kind = RedisReply::Kind::number;
      out.number = from.integer;
      break;
    case REDIS_REPLY_ARRAY:
      out.kind = RedisReply::Kind::list;
      for (const redisReply* const item : std::span(from.element, from.elements)) {
        out.items.push_back(to_reply(*item));
      }
      break;
    default:
      break;
  }
  return out;
}

}  // namespace

void RedisProtocol::Free::operator()(redisReader* reader) const noexcept { library().free_reader(reader); }

Result<RedisProtocol> RedisProtocol::load() {
  if (!loaded()) {
    return std::unexpected(loaded().error());
  }
  redisReader* const reader = library().create_reader();
  FLOTILLA_ASSERT(reader != nullptr);
  return RedisProtocol(reader);
}

void RedisProtocol::append(std::string& out, std::span<const std::string_view> command) {
  std::vector<const char*> texts;
  std::vector<std::size_t> lengths;
  for (const std::string_view each : command) {
    texts.push_back(each.data());
    lengths.push_back(each.size());
  }
  char* bytes = nullptr;
  const int length = library().format(&bytes, static_cast<int>(command.size()), texts.data(), lengths.data());
  FLOTILLA_ASSERT(length > 0);
  out.append(bytes, static_cast<std::size_t>(length));
  library().free_command(bytes);
}

void RedisProtocol::feed(std::string_view bytes) {
  (void)library().feed(reader_.get(), bytes.data(), bytes.size());  // next() tells what is wrong
}

Result<std::optional<RedisReply>> RedisProtocol::next() {
  void* got = nullptr;
  if (library().get_reply(reader_.get(), &got) != REDIS_OK) {
    return fail(Errc::invalid, fmt::format("it does not speak as Redis does: {}", reader_->errstr));
  }
  if (got == nullptr) {
    return std::nullopt;
  }
  RedisReply reply = to_reply(*static_cast<redisReply*>(got));
  library().free_reply(got);
  return reply;
}

}  // namespace flotilla::cqrs
