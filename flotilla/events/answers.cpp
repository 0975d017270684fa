#include "flotilla/events/answers.hpp"

#include "flotilla/events/kept_event.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {

http::Response refusal_answer(const Refusal& refusal) {
  return http::problem_response({.reason = refusal.reason,
                                 .detail = refusal.detail,
                                 .retry_after = http::retry_after_seconds(refusal.retry_after)});
}

http::Response publication_answer(const Publication& publication) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("position").value(publication.position.text()).key("events").begin_array();
  for (const PublishedEvent& event : publication.events) {
    out.begin_object().key("id").value(event.id);
    out.key("position").value(event.position.text()).key("duplicate").value(event.duplicate).end();
  }
  out.end().end();
  http::Response response = http::json_response(std::move(body), 202);
  response.headers.add("Position", publication.position.text());
  return response;
}

http::Response page_answer(const TopicPage& page) {
  std::string body = R"({"events":[)";
  for (const journal::RecordPtr& record : page.records) {
    body += body.ends_with('[') ? "" : ",";
    if (const auto kept = append_kept_event(body, *record); !kept) {
      return refusal_answer({.reason = Reason::store_unavailable, .detail = kept.error().message});
    }
  }
  body += R"(],"next":)";
  json::append_quoted(body, page.next.text());
  body += '}';
  return http::json_response(std::move(body));
}

}  // namespace flotilla::events
