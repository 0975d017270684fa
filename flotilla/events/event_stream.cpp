#include "flotilla/events/event_stream.hpp"

#include <fmt/format.h>

#include "flotilla/events/core/event_json.hpp"
#include "flotilla/events/kept_event.hpp"

namespace flotilla::events {
namespace {

// The body of an answer whose end is not known yet.
class StreamedBody {
 public:
  explicit StreamedBody(http::Exchange& exchange)
      : exchange_(exchange), chunked_(exchange.request().version != http::Version::http_1_0) {
    if (!chunked_) {
      exchange.close_after();
    }
    std::string& head = exchange.scratch();
    fmt::format_to(std::back_inserter(head),
                   "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                   "{}Date: {}\r\nServer: flotilla\r\n{}\r\n",
                   chunked_ ? "Transfer-Encoding: chunked\r\n" : "", exchange.date(),
                   exchange.keep_alive() ? "" : "Connection: close\r\n");
    exchange.begin(200, head);
  }

  // False when the client takes nothing any more.
  [[nodiscard]] net::Task<bool> send(std::string_view text) {
    net::Channel& channel = exchange_.channel();
    if (chunked_) {
      channel.send(fmt::format("{:x}\r\n", text.size()), text);
      channel.send("\r\n");
    } else {
      channel.send(text);
    }
    exchange_.count_sent(text.size());
    channel.set_deadline(exchange_.loop().now() + kStalled);
    const auto drained = co_await channel.drain();
    channel.set_deadline(kNever);
    co_return drained.has_value();
  }

  void end() {
    if (chunked_) {
      exchange_.channel().send("0\r\n\r\n");
    }
  }

 private:
  http::Exchange& exchange_;
  bool chunked_;
};

}  // namespace

void append_server_sent(std::string& out, std::string_view token, std::string_view json) {
  out.append("id: ").append(token).append("\n");
  for (;;) {
    const std::size_t end = std::min(json.find_first_of("\r\n"), json.size());
    out.append("data: ").append(json.substr(0, end)).append("\n");
    if (end == json.size()) {
      break;
    }
    json.remove_prefix(end + (json.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  out.append("\n");
}

net::Task<> stream_events(http::Exchange& exchange, TopicReader& reader, TopicCounters& counters,
                          std::string topic, ReadToken from) {
  const TopicReader::Place place = reader.take_place();
  if (!place) {
    const std::string detail = fmt::format("{} readers wait already, no more can", kMaxWaiting);
    exchange.problem({.reason = Reason::overloaded, .detail = detail, .retry_after = 1});
    co_return;
  }
  StreamedBody body(exchange);
  std::string text = ":\n\n";  // so that the client knows at once that it is listened to
  for (;;) {
    if (!co_await body.send(text)) {
      exchange.abort();
      co_return;
    }
    text.clear();
    auto page = co_await reader.read(topic, from, kDefaultEvents);
    if (page && page->records.empty()) {
      from = std::move(page->next);
      if (!co_await reader.wait(topic, from, exchange.loop().now() + kQuiet)) {
        break;
      }
      page = co_await reader.read(topic, from, kDefaultEvents);
    }
    if (!page) {
      break;
    }
    for (const journal::RecordPtr& record : page->records) {
      std::string json;
      if (!append_kept_event(json, *record)) {
        body.end();
        co_return;
      }
      from.move_to(record->position);
      append_server_sent(text, from.text(), json);
    }
    counters.read.add(page->records.size());
    from = std::move(page->next);
    if (text.empty()) {
      text = ":\n\n";
    }
  }
  body.end();
}

}  // namespace flotilla::events
