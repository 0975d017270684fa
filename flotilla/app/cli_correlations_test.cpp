// How a transaction is shown to people.
#include "flotilla/app/cli_correlations.hpp"

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"

namespace flotilla::app {
namespace {

TEST(TraceText, IsATreeOfWhatCausedWhat) {
  const auto picture = json::parse(R"({
    "id": "7", "state": "overdue",
    "choreographies": [{"name": "order", "id": "7", "state": "overdue", "events": 4, "started": "T1", "changed": "T4",
      "expected": [{"after": "payment.failed", "all_of": ["stock.released"], "due": "T9", "overdue": true, "told": null}]}],
    "events": [
      {"topic": "order.created", "id": "a", "causationid": null, "recorded": "2026-11-24T10:22:47.001Z",
       "unexpected": false, "late": false,
       "deliveries": [{"subscription": "charge", "state": "dead-letter", "attempts": 3, "reason": "refused", "code": "402"},
                      {"subscription": "mail", "state": "settled"}]},
      {"topic": "payment.failed", "id": "b", "causationid": "a", "recorded": "2026-11-24T10:22:47.002Z",
       "unexpected": false, "late": true, "deliveries": []},
      {"topic": "note", "id": "c", "causationid": "b", "recorded": "2026-11-24T10:22:47.003Z",
       "unexpected": true, "late": false, "deliveries": []},
      {"topic": "x", "id": "d", "causationid": "e", "recorded": "2026-11-24T10:22:47.004Z", "unexpected": false,
       "late": false, "deliveries": []},
      {"topic": "y", "id": "e", "causationid": "d", "recorded": "2026-11-24T10:22:47.005Z", "unexpected": false,
       "late": false, "deliveries": []}],
    "sagas": [{"name": "refund", "id": "S1", "state": "completed", "steps": [{"state": "done"}]}]})");
  ASSERT_TRUE(picture);
  EXPECT_EQ(trace_text(*picture),
            "CHOREOGRAPHY  ID  STATE    EVENTS  STARTED  CHANGED\n"
            "order         7   overdue  4       T1       T4\n"
            "\n"
            "2026-11-24T10:22:47.001Z  order.created  (a)\n"
            "                            -> charge: dead-letter after 3 attempts, refused 402\n"
            "                            -> mail: settled\n"
            "2026-11-24T10:22:47.002Z    payment.failed  (b, late)\n"
            "2026-11-24T10:22:47.003Z      note  (c, unexpected)\n"
            "2026-11-24T10:22:47.004Z  x  (d)\n"
            "2026-11-24T10:22:47.005Z    y  (e)\n"
            "\n"
            "SAGA    ID  STATE      STEPS\n"
            "refund  S1  completed  done\n"
            "\n"
            "AFTER           ONE OF  ALL OF          DUE  OVERDUE  TOLD\n"
            "payment.failed  -       stock.released  T9   yes      -\n");
}

}  // namespace
}  // namespace flotilla::app
