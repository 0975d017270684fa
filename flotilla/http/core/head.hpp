// Heads of HTTP/1.1 messages as views into the bytes received: what the proxy's hot path works on.
//
// Filled by http1_parser.hpp, read by the router and by forward.hpp.
// Ownership: a head owns its tables (reused between messages, so parsing allocates nothing once
// warm) but none of the text: every view points into the caller's bytes and is valid as long as they
// stay where they are. Only `host` may point into the head itself, so heads neither copy nor move:
// pool them.
// Threads: plain data, one owner. Limits: HeadLimits.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/reason.hpp"
#include "flotilla/http/core/field_id.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::http {

enum class Method : std::uint8_t { other, get, head, post, put, delete_, patch, options, connect, trace };

// The wire name; empty for `other`.
[[nodiscard]] std::string_view to_string(Method method) noexcept;
// Case matters (RFC 9110 9.1). `other` for what is not in the list.
[[nodiscard]] Method method_from(std::string_view name) noexcept;
// Repeating it has no more effect than doing it once (RFC 9110 9.2.2).
[[nodiscard]] constexpr bool is_idempotent(Method method) noexcept {
  return method != Method::other && method != Method::post && method != Method::patch &&
         method != Method::connect;
}
// Essentially read-only (RFC 9110 9.2.1).
[[nodiscard]] constexpr bool is_safe(Method method) noexcept {
  return method == Method::get || method == Method::head || method == Method::options ||
         method == Method::trace;
}

enum class Version : std::uint8_t { http_1_0, http_1_1 };  // a later 1.x is read as 1.1 (RFC 9110 2.5)

// How the body that follows a head is delimited (RFC 9112 6.3).
struct Framing {
  enum class Kind : std::uint8_t { none, length, chunked, until_close };
  Kind kind = Kind::none;
  std::uint64_t length = 0;  // for Kind::length; 0..2^63-1

  [[nodiscard]] bool has_body() const noexcept {
    return kind != Kind::none && (kind != Kind::length || length > 0);
  }
  friend bool operator==(const Framing&, const Framing&) = default;
};

struct FieldView {
  std::string_view name;   // as received
  std::string_view value;  // without blanks around it; may be empty
  std::string_view line;   // the whole line with its CRLF; lines of one head follow each other in memory
  FieldId id = FieldId::other;
  bool nominated = false;  // named by Connection, and not one of the fields that must not be named there
};

// What a head may cost at most. Beyond: 414 (request line), 431 (fields).
struct HeadLimits {
  std::uint32_t first_line = 8 * 1024;  // bytes of the request or status line without CRLF
  std::uint32_t total = 32 * 1024;      // bytes of the whole head with the empty line
  std::uint32_t fields = 128;           // at most 65535
};

// One class of 64 bytes: bit i speaks of byte i.
struct ByteClasses {
  std::uint64_t control = 0;    // CTL but for HTAB: in a valid head only CR and LF
  std::uint64_t not_token = 0;  // everything that may not stand in a token
};

// What has been scanned of a head that is not complete yet; offsets only, so the bytes may move
// between two calls of a parser. An implementation detail of the parsers that lives here to be reused.
struct HeadScan {
  std::vector<ByteClasses> classes;      // one per 64 bytes from the head's start
  std::vector<std::uint32_t> line_ends;  // offset of each line's CR from the head's start
  std::uint32_t scanned = 0;             // bytes looked at
  std::uint32_t line_start = 0;
  std::uint32_t skipped = 0;  // length of the empty line tolerated before a request
  void reset() noexcept;
};

// What requests and responses share.
class Head {
 public:
  Head() = default;
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;

  // The first field of that name.
  [[nodiscard]] const FieldView* find(FieldId id) const noexcept {
    const std::uint16_t at = first_[static_cast<std::size_t>(id)];
    return has(id) ? &fields[at] : nullptr;
  }
  [[nodiscard]] const FieldView* find(std::string_view name) const noexcept;
  // The first value of that name, or nothing.
  [[nodiscard]] std::optional<std::string_view> get(FieldId id) const noexcept;
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept;
  [[nodiscard]] bool has(FieldId id) const noexcept { return (present & field_bit(id)) != 0; }

  // Owned copies of the fields that concern the recipient: without hop-by-hop, connection-nominated
  // and framing fields.
  [[nodiscard]] Fields copy_fields() const;

  std::vector<FieldView> fields;  // in order of arrival
  FieldSet present = 0;           // ids that occur
  FieldSet repeated = 0;          // ids that occur more than once
  Version version = Version::http_1_1;
  Framing framing;
  bool keep_alive = true;           // the connection may carry another message after this one
  bool connection_upgrade = false;  // Connection names `upgrade`
  bool websocket = false;           // request: a valid RFC 6455 handshake; response: a 101 to one

  // The parsers' side.
  void clear() noexcept;
  void add(std::string_view name, std::string_view value, std::string_view line) {
    const FieldId id = field_id(name);
    const FieldSet bit = field_bit(id);
    if ((present & bit) == 0) {
      first_[static_cast<std::size_t>(id)] = static_cast<std::uint16_t>(fields.size());
    }
    repeated |= present & bit;
    present |= bit;
    // Member by member: copying 56 bytes that were just written in parts stalls the store buffer.
    FieldView& field = fields.emplace_back();
    field.name = name;
    field.value = value;
    field.line = line;
    field.id = id;
  }
  HeadScan scan;

 private:
  std::array<std::uint16_t, kFieldIdCount> first_;  // valid where `present` says so
};

struct RequestHead : Head {
  Method method = Method::other;
  std::string_view method_name;
  std::string_view target;     // as received
  std::string_view path;       // of origin and absolute form: starts with '/', as received; "*" for OPTIONS *
  std::string_view query;      // after the first '?', as received; may be empty
  bool has_query = false;      // there was a '?', even if nothing followed
  bool absolute_form = false;  // the target named the authority, which then replaced the Host field
  // Lower-case, without port and one trailing dot; IPv6 in brackets. Empty if HTTP/1.0 sent none.
  std::string_view host;
  std::optional<std::uint16_t> port;  // as in Host or target; nothing if not given
  bool expect_continue = false;       // waits for 100 before sending its body

  void clear() noexcept;
  std::string host_storage;  // for a host that had to be lower-cased
};

struct ResponseHead : Head {
  std::uint16_t status = 0;  // 100..599
  std::string_view reason;   // as received, may be empty

  void clear() noexcept;
};

}  // namespace flotilla::http
