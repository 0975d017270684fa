// Names of header fields that the program acts on, as small numbers.
//
// For: switching and bit sets instead of string compares on the hot path. A name is looked up once,
// when its line is parsed, through a perfect hash; everything later tests bits.
// Names that matter only as a family (all of X-Forwarded-*, all of Saga-*) share one id.
// Ownership: none. Threads: pure functions. Limits: at most 64 ids, so that a set is one word.
#pragma once

#include <cstdint>
#include <string_view>

namespace flotilla::http {

enum class FieldId : std::uint8_t {
  other,
  // Known one by one. The order is that of kFieldNames in field_id.cpp.
  host,
  connection,
  content_length,
  transfer_encoding,
  te,
  trailer,
  upgrade,
  expect,
  keep_alive,
  proxy_connection,
  proxy_authenticate,
  proxy_authorization,
  proxy,
  x_forwarded_for,
  x_forwarded_proto,
  x_forwarded_host,
  x_forwarded_port,
  x_forwarded_path,
  x_forwarded_prefix,
  x_real_ip,
  forwarded,
  via,
  traceparent,
  tracestate,
  authorization,
  idempotency_key,
  cookie,
  set_cookie,
  content_type,
  content_encoding,
  date,
  server,
  retry_after,
  cache_control,
  age,
  vary,
  expires,
  etag,
  last_modified,
  location,
  max_forwards,
  accept,
  accept_encoding,
  origin,
  user_agent,
  x_request_id,
  x_request_timeout_ms,
  sec_websocket_key,
  sec_websocket_version,
  sec_websocket_accept,
  sec_websocket_protocol,
  range,
  if_none_match,
  if_modified_since,
  flotilla_error,
  allow,
  www_authenticate,
  grpc_timeout,
  // Families.
  x_forwarded_other,  // X-Forwarded-* beyond the ones above
  identity,           // X-Consumer-*, X-Credential-Identifier, X-Anonymous-Consumer
  reserved,           // Saga-*, Event-*, Flotilla-*
  underscore_alias,  // an `_` spelling of any of the above (X_Forwarded_For): CGI-like servers would mix them
                     // up
};
inline constexpr std::size_t kFieldIdCount = static_cast<std::size_t>(FieldId::underscore_alias) + 1;
static_assert(kFieldIdCount <= 64);

// A set of ids in one word.
using FieldSet = std::uint64_t;
[[nodiscard]] constexpr FieldSet field_bit(FieldId id) noexcept {
  return FieldSet{1} << static_cast<unsigned>(id);
}
template <class... Ids>
[[nodiscard]] constexpr FieldSet field_set(Ids... ids) noexcept {
  return (FieldSet{0} | ... | field_bit(ids));
}

// The id of a name, in any case. `name` must be a token (RFC 9110 5.6.2): the parsers check before.
[[nodiscard]] FieldId field_id(std::string_view name) noexcept;

// The lower-case name of an id that is known one by one; empty for `other` and families.
[[nodiscard]] std::string_view field_name(FieldId id) noexcept;

// RFC 9110 7.6.1, with the de facto ones: never forwarded as received. Proxy is here because CGI
// turns it into HTTP_PROXY ("httpoxy").
inline constexpr FieldSet kHopByHopFields =
    field_set(FieldId::connection, FieldId::transfer_encoding, FieldId::te, FieldId::trailer,
              FieldId::upgrade, FieldId::keep_alive, FieldId::proxy_connection, FieldId::proxy_authenticate,
              FieldId::proxy_authorization, FieldId::proxy);

}  // namespace flotilla::http
