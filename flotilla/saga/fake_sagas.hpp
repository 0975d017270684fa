// Sagas for tests of those who ask: keeps what it was asked, answers what the test says, at once.
//
// Ownership: a test's. Threads: one. Limits: none; only tests include it.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/saga/service.hpp"

namespace flotilla::saga {

class FakeSagas final : public Sagas {
 public:
  // A saga of one step in that state, as core/report.hpp would show it.
  static SagaView saga_in(const std::string& state) {
    static constexpr std::string_view kEnds[] = {"completed", "compensated", "failed", "rejected"};
    const bool terminal = std::ranges::find(kEnds, state) != std::end(kEnds);
    const std::string extra =
        state == "completed" ? R"("result":{"order_id":"o-1"},)"
        : state == "compensated"
            ? R"("cause":{"step":"charge","reason":"step","status":402,"detail":"refused"},)"
            : "";
    const std::string body = fmt::format(
        R"({{"id":"{}","name":"place-order","state":"{}",{}"created":"2026-11-24T12:00:00.000Z","seq":4,)"
        R"("steps":[{{"name":"charge","kind":"compensatable","state":"done","attempts":1,"output":{{"paid":true}}}}]}})",
        kId, state, extra);
    return {.id = *SagaId::parse(kId), .state = state, .terminal = terminal, .body = *json::parse(body)};
  }

  // " order=o-1 user=u-7"
  static std::string searched(const std::vector<std::pair<std::string, std::string>>& search) {
    std::string all;
    for (const auto& [name, text] : search) {
      all += fmt::format(" {}={}", name, text);
    }
    return all;
  }

  net::Task<Asked<StartResult>> start(StartRequest request) override {
    asked.push_back(fmt::format("start {} principal={} key={} input={} trace={} correlation={} wait={}ms",
                                request.name, request.principal, request.key, json::write(request.input),
                                request.trace, request.correlation, to_millis(request.wait)));
    co_return answer(StartResult{.saga = saga_in(state), .existing = existing});
  }
  net::Task<Asked<SagaView>> show(SagaId saga, bool timeline) override {
    asked.push_back(fmt::format("show {} timeline={}", saga.text(), timeline));
    SagaView view = saga_in(state);
    if (timeline) {
      view.body.set("timeline", *json::parse(records));
    }
    co_return answer(std::move(view));
  }
  net::Task<Asked<SagaPage>> list(ListRequest request) override {
    asked.push_back(fmt::format("list name={} state={} after={} limit={}{}", request.name, request.state,
                                request.after, request.limit, searched(request.search)));
    const auto item = fmt::format(
        R"({{"id":"{}","name":"place-order","state":"{}","created":"2026-11-24T12:00:00.000Z","changed":"2026-11-24T12:00:01.000Z"}})",
        kId, state);
    co_return answer(SagaPage{.items = json::Value::array({*json::parse(item)}), .next = next});
  }
  net::Task<Asked<json::Value>> count(CountRequest request) override {
    asked.push_back(
        fmt::format("count name={} state={}{}", request.name, request.state, searched(request.search)));
    co_return answer(*json::parse(R"([{"name":"place-order","state":"running","count":7}])"));
  }
  net::Task<Asked<CancelResult>> cancel(CancelRequest request) override {
    asked.push_back(fmt::format("cancel {} who={} why={}", request.saga.text(), request.who, request.why));
    co_return answer(CancelResult{.saga = saga_in(state), .pivot_decides = pivot_decides});
  }
  net::Task<Asked<SignalResult>> signal(SignalRequest request) override {
    asked.push_back(fmt::format("signal {} name={} id={} payload={}", request.saga.text(), request.name,
                                request.id, json::write(request.payload)));
    co_return answer(SignalResult{});
  }
  net::Task<Asked<SagaView>> operate(OperateRequest request) override {
    asked.push_back(fmt::format(
        "operate {} {} step={} who={} why={} seq={} payload={} version={}", request.saga.text(),
        to_string(request.verb), request.step, request.who, request.why,
        request.expected_seq ? std::to_string(*request.expected_seq) : "any",
        request.verb == Verb::set_result && !request.has_payload ? "none" : json::write(request.payload),
        request.version));
    co_return answer(saga_in(state));
  }
  net::Task<Asked<std::monostate>> callback(CallbackRequest request) override {
    asked.push_back(
        fmt::format("callback {} outcome={} body={}", request.key, request.outcome, request.body));
    co_return answer(std::monostate());
  }

  static constexpr const char* kId = "01JZ6X7Q8R9S0T1V2W3X4Y5Z6A";
  std::string state = "completed";
  bool existing = false;
  bool pivot_decides = false;
  std::string records = "[]";          // of timelines, as JSON
  std::string next;                    // of lists
  std::optional<SagaProblem> problem;  // instead of any answer
  std::vector<std::string> asked;      // a line for every question

 private:
  template <class T>
  Asked<T> answer(T value) const {
    return problem ? Asked<T>(std::unexpected(*problem)) : Asked<T>(std::move(value));
  }
};

}  // namespace flotilla::saga
