#include "flotilla/http/core/forward.hpp"

#include <array>
#include <charconv>
#include <cstring>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/http/core/status.hpp"

namespace flotilla::http {
namespace {

// Writes into memory that is known to suffice; the bound is asserted at the end.
class Writer {
 public:
  explicit Writer(char* to) : at_(to) {}

  void put(std::string_view text) {
    if (!text.empty()) {
      std::memcpy(at_, text.data(), text.size());
      at_ += text.size();
    }
  }
  void put(std::uint64_t number) { at_ = std::to_chars(at_, at_ + 20, number).ptr; }
  void line(std::string_view name, std::string_view value) {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }
  [[nodiscard]] const char* position() const { return at_; }

 private:
  char* at_;
};

// Appends at most `bound` bytes, growing `out` once.
template <class Write>
void append_bounded(std::string& out, std::size_t bound, Write write) {
  const std::size_t before = out.size();
  out.resize_and_overwrite(before + bound, [&](char* data, std::size_t capacity) {
    Writer writer{data + before};
    write(writer);
    const auto size = static_cast<std::size_t>(writer.position() - data);
    FLOTILLA_ASSERT(size <= capacity);
    return size;
  });
}

// All names, numbers and punctuation that the functions below add of their own accord.
constexpr std::size_t kFixedText = 1024;

std::size_t size_of_fields(const Head& head) {
  if (head.fields.empty()) {
    return 0;
  }
  const std::string_view last = head.fields.back().line;
  return static_cast<std::size_t>(last.data() + last.size() - head.fields.front().line.data());
}

std::size_t size_of_extra(std::span<const HeaderLine> extra) {
  std::size_t size = 0;
  for (const HeaderLine& line : extra) {
    size += line.name.size() + line.value.size() + 4;
  }
  return size;
}

// Copies the lines that stay, each run of them at once.
void put_fields(Writer& writer, const Head& head, FieldSet drop) {
  const char* run = nullptr;
  const char* run_end = nullptr;
  for (const FieldView& field : head.fields) {
    if ((field_bit(field.id) & drop) != 0 || field.nominated) {
      continue;
    }
    if (field.line.data() != run_end) {
      writer.put({run, static_cast<std::size_t>(run_end - run)});
      run = field.line.data();
    }
    run_end = field.line.data() + field.line.size();
  }
  writer.put({run, static_cast<std::size_t>(run_end - run)});
}

void put_framing(Writer& writer, const FramingOut& framing) {
  if (framing.kind == FramingOut::Kind::length) {
    writer.put("Content-Length: ");
    writer.put(framing.length);
    writer.put("\r\n");
  } else if (framing.kind == FramingOut::Kind::chunked) {
    writer.put("Transfer-Encoding: chunked\r\n");
  }
}

void put_via(Writer& writer, const Head& head, std::string_view pseudonym) {
  if (!pseudonym.empty()) {
    writer.put(head.version == Version::http_1_0 ? "Via: 1.0 " : "Via: 1.1 ");
    writer.put(pseudonym);
    writer.put("\r\n");
  }
}

constexpr FieldSet kForwardedFields =
    field_set(FieldId::x_forwarded_for, FieldId::x_forwarded_proto, FieldId::x_forwarded_host,
              FieldId::x_forwarded_port, FieldId::x_forwarded_path, FieldId::x_forwarded_prefix,
              FieldId::x_forwarded_other, FieldId::x_real_ip, FieldId::forwarded);
constexpr FieldSet kInsideFields = field_set(FieldId::identity, FieldId::reserved, FieldId::flotilla_error);

bool rewrites_host(const RequestHead& head, const ForwardOptions& options) {
  return !options.host.empty() || head.absolute_form;
}

bool decrements_max_forwards(const RequestHead& head) {
  return head.method == Method::options && head.has(FieldId::max_forwards);
}

FieldSet dropped_from_request(const RequestHead& head, const ForwardOptions& options,
                              FramingOut::Kind framing) {
  FieldSet drop = kHopByHopFields | field_bit(FieldId::underscore_alias) | options.drop;
  const auto drop_if = [&drop](bool condition, FieldSet fields) { drop |= condition ? fields : FieldSet{0}; };
  drop_if(options.from_outside, kInsideFields);
  drop_if(!options.trusted_peer, kForwardedFields);
  drop_if(!options.peer_address.empty(), field_set(FieldId::x_forwarded_for, FieldId::x_real_ip));
  drop_if(!options.traceparent.empty(), field_set(FieldId::traceparent, FieldId::tracestate));
  drop_if(!options.expect_continue, field_bit(FieldId::expect));
  drop_if(rewrites_host(head, options), field_bit(FieldId::host));
  drop_if(decrements_max_forwards(head), field_bit(FieldId::max_forwards));
  drop_if(framing != FramingOut::Kind::keep, field_bit(FieldId::content_length));
  if (options.trailers) {
    drop &= ~field_bit(FieldId::trailer);
  }
  return drop;
}

// X-Forwarded-For: what trusted proxies said, then who speaks to us.
void put_forwarded_for(Writer& writer, const RequestHead& head, const ForwardOptions& options) {
  writer.put("X-Forwarded-For: ");
  if (options.trusted_peer && head.has(FieldId::x_forwarded_for)) {
    for (const FieldView& field : head.fields) {
      if (field.id == FieldId::x_forwarded_for && !field.value.empty()) {
        writer.put(field.value);
        writer.put(", ");
      }
    }
  }
  writer.put(options.peer_address);
  writer.put("\r\n");
}

void put_forwarded(Writer& writer, const RequestHead& head, const ForwardOptions& options) {
  if (options.peer_address.empty()) {
    return;
  }
  const auto computed = [&](FieldId id) { return !options.trusted_peer || !head.has(id); };
  put_forwarded_for(writer, head, options);
  writer.line("X-Real-IP", options.client_address.empty() ? options.peer_address : options.client_address);
  if (computed(FieldId::x_forwarded_proto)) {
    writer.line("X-Forwarded-Proto", options.scheme);
  }
  if (computed(FieldId::x_forwarded_host) && !head.host.empty()) {
    writer.line("X-Forwarded-Host", head.host);
  }
  if (computed(FieldId::x_forwarded_port)) {
    writer.put("X-Forwarded-Port: ");
    writer.put(std::uint64_t{options.port});
    writer.put("\r\n");
  }
  if (computed(FieldId::x_forwarded_path) && !options.forwarded_path.empty()) {
    writer.line("X-Forwarded-Path", options.forwarded_path);
  }
  if (computed(FieldId::x_forwarded_prefix) && !options.forwarded_prefix.empty()) {
    writer.line("X-Forwarded-Prefix", options.forwarded_prefix);
  }
}

// "trailers" among the transfer codings the client accepts: the only one passed on (RFC 9110 10.1.4).
bool accepts_trailers(const RequestHead& head) {
  if (!head.has(FieldId::te)) {
    return false;
  }
  for (const FieldView& field : head.fields) {
    if (field.id != FieldId::te) {
      continue;
    }
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      if (iequals(trim(rest.substr(0, comma)), "trailers")) {
        return true;
      }
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
  }
  return false;
}

void put_request_connection(Writer& writer, const RequestHead& head, const ForwardOptions& options) {
  if (head.websocket) {
    writer.put("Connection: upgrade\r\nUpgrade: websocket\r\n");
    return;
  }
  const bool te = accepts_trailers(head);
  if (te) {
    writer.put("TE: trailers\r\n");
  }
  if (te || options.close) {
    writer.line("Connection", te && options.close ? "TE, close" : te ? "TE" : "close");
  }
}

void put_host(Writer& writer, const RequestHead& head, const ForwardOptions& options) {
  if (!options.host.empty()) {
    writer.line("Host", options.host);
    return;
  }
  writer.put("Host: ");
  writer.put(head.host);
  if (head.port) {
    writer.put(":");
    writer.put(std::uint64_t{*head.port});
  }
  writer.put("\r\n");
}

void put_max_forwards(Writer& writer, const RequestHead& head) {
  const auto hops = parse_int<std::uint32_t>(head.find(FieldId::max_forwards)->value);
  if (hops && *hops > 0) {  // 0 is for the caller to answer; what is no number is left out
    writer.put("Max-Forwards: ");
    writer.put(std::uint64_t{*hops - 1});
    writer.put("\r\n");
  }
}

void put_status_line(Writer& writer, const ResponseHead& head) {
  writer.put("HTTP/1.1 ");
  writer.put(std::uint64_t{head.status});
  writer.put(" ");
  writer.put(head.reason);
  writer.put("\r\n");
}

// `keep` where the received Content-Length line itself can stay.
FramingOut response_framing(const ResponseHead& head, const ResponseForwardOptions& options) {
  if (head.status < 200 || head.status == 204) {
    return {FramingOut::Kind::none, 0};
  }
  if (options.framing.kind != FramingOut::Kind::keep || head.framing.kind == Framing::Kind::length ||
      head.status == 304 || options.request_method == Method::head) {
    return options.framing;
  }
  return kept_framing(head, options.client_version);
}

void put_response_connection(Writer& writer, const ResponseHead& head,
                             const ResponseForwardOptions& options) {
  if (head.websocket) {
    writer.put("Connection: upgrade\r\nUpgrade: websocket\r\n");
  } else if (head.status < 200) {
    return;  // the final response says it
  } else if (!options.keep_alive) {
    writer.line("Connection", "close");
  } else if (options.client_version == Version::http_1_0) {
    writer.line("Connection", "keep-alive");
  }
}

}  // namespace

FramingOut kept_framing(const Head& head, Version receiver) noexcept {
  switch (head.framing.kind) {
    case Framing::Kind::length:
      return {FramingOut::Kind::length, head.framing.length};
    case Framing::Kind::none:
      return {FramingOut::Kind::none, 0};
    case Framing::Kind::chunked:
    case Framing::Kind::until_close:
      break;
  }
  return {receiver == Version::http_1_1 ? FramingOut::Kind::chunked : FramingOut::Kind::none, 0};
}

void append_request_head(std::string& out, std::string_view method, std::string_view target,
                         const RequestHead& head, const ForwardOptions& options) {
  const FramingOut framing =
      options.framing.kind == FramingOut::Kind::keep && head.framing.kind != Framing::Kind::length
          ? kept_framing(head, Version::http_1_1)
          : options.framing;
  const std::size_t bound =
      method.size() + target.size() + 2 * size_of_fields(head) + options.host.size() + 2 * head.host.size() +
      2 * options.peer_address.size() + options.client_address.size() + options.scheme.size() +
      options.forwarded_path.size() + options.forwarded_prefix.size() + options.traceparent.size() +
      options.tracestate.size() + options.via.size() + size_of_extra(options.extra) + kFixedText;
  append_bounded(out, bound, [&](Writer& writer) {
    writer.put(method);
    writer.put(" ");
    writer.put(target);
    writer.put(" HTTP/1.1\r\n");
    if (rewrites_host(head, options)) {
      put_host(writer, head, options);
    }
    put_fields(writer, head, dropped_from_request(head, options, framing.kind));
    put_framing(writer, framing);
    put_forwarded(writer, head, options);
    put_request_connection(writer, head, options);
    if (decrements_max_forwards(head)) {
      put_max_forwards(writer, head);
    }
    if (!options.traceparent.empty()) {
      writer.line("traceparent", options.traceparent);
      if (!options.tracestate.empty()) {
        writer.line("tracestate", options.tracestate);
      }
    }
    put_via(writer, head, options.via);
    for (const HeaderLine& line : options.extra) {
      writer.line(line.name, line.value);
    }
    writer.put("\r\n");
  });
}

void append_response_head(std::string& out, const ResponseHead& head, const ResponseForwardOptions& options) {
  const FramingOut framing = response_framing(head, options);
  FieldSet drop = kHopByHopFields | field_bit(FieldId::flotilla_error) | options.drop;
  if (framing.kind != FramingOut::Kind::keep) {
    drop |= field_bit(FieldId::content_length);
  }
  if (options.trailers) {
    drop &= ~field_bit(FieldId::trailer);
  }
  const std::size_t bound = head.reason.size() + size_of_fields(head) + options.date.size() +
                            options.server.size() + options.via.size() + size_of_extra(options.extra) +
                            kFixedText;
  append_bounded(out, bound, [&](Writer& writer) {
    put_status_line(writer, head);
    put_fields(writer, head, drop);
    put_framing(writer, framing);
    put_response_connection(writer, head, options);
    if (!options.date.empty() && !head.has(FieldId::date)) {
      writer.line("Date", options.date);
    }
    if (!options.server.empty() && !head.has(FieldId::server)) {
      writer.line("Server", options.server);
    }
    put_via(writer, head, options.via);
    for (const HeaderLine& line : options.extra) {
      writer.line(line.name, line.value);
    }
    writer.put("\r\n");
  });
}

}  // namespace flotilla::http
