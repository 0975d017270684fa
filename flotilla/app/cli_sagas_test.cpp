// `flotilla sagas` against the operators' API with Sagas that answer what the test says.
#include "flotilla/app/cli_sagas.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/app/cli_test_kit.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/saga/fake_sagas.hpp"
#include "flotilla/saga/operator_api.hpp"

namespace flotilla::app {
namespace {

using saga::FakeSagas;
using testing::ElementsAre;
using testing::HasSubstr;

// The port's thread touches `sagas` only while a verb waits for its answer.
class SagaVerbs : public testing::Test {
 protected:
  SagaVerbs() {
    log::set_sink([](log::Level, std::string_view) {});
    ::setenv("USER", "ada", 1);
  }
  Outcome ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "sagas");
    arguments.insert(arguments.end(), {"--admin", port_.url()});
    return run(std::move(arguments));
  }

  const std::string id_ = FakeSagas::kId;
  FakeSagas sagas;

 private:
  saga::OperatorApi api_{sagas};
  AdminPort port_{[this](http::Request request, net::SocketAddress peer) {
    return api_.handle(std::move(request), peer);
  }};
};

TEST_F(SagaVerbs, ListThemAsATable) {
  sagas.state = "running";
  const Outcome outcome = ask({});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(
      outcome.out,
      "ID                          NAME         STATE    STEP  REASON  CREATED                   CHANGED\n"
      "01JZ6X7Q8R9S0T1V2W3X4Y5Z6A  place-order  running  -     -       2026-11-24T12:00:00.000Z  "
      "2026-11-24T12:00:01.000Z\n");
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(sagas.asked, ElementsAre("list name= state= after= limit=100"));
}

TEST_F(SagaVerbs, ListAPageAndSayThatThereAreMore) {
  sagas.next = "t0k";
  const Outcome outcome =
      ask({"list", "--name", "place-order", "--state", "completed", "--limit", "2", "--after", "a/b"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "flotilla: there are more: --after t0k\n");
  EXPECT_THAT(sagas.asked, ElementsAre("list name=place-order state=completed after=a/b limit=2"));
}

TEST_F(SagaVerbs, CountThem) {
  EXPECT_EQ(ask({"count"}).out,
            "NAME         STATE    COUNT\n"
            "place-order  running  7\n");
  EXPECT_EQ(ask({"count", "--name", "place-order", "--state", "running", "--search", "order=o 1"}).code, 0);
  EXPECT_THAT(sagas.asked,
              ElementsAre("count name= state=", "count name=place-order state=running order=o 1"));
}

TEST_F(SagaVerbs, ShowOne) {
  sagas.state = "compensated";
  const Outcome outcome = ask({"show", id_});
  EXPECT_EQ(outcome.out,
            "ID         01JZ6X7Q8R9S0T1V2W3X4Y5Z6A\n"
            "NAME       place-order\n"
            "STATE      compensated\n"
            "CAUSE      charge: refused (402)\n"
            "CREATED    2026-11-24T12:00:00.000Z\n"
            "CHANGED    -\n"
            "SEQ        4\n"
            "\n"
            "STEP    KIND           STATE  ATTEMPTS  OUTPUT\n"
            "charge  compensatable  done   1         {\"paid\":true}\n");
  EXPECT_THAT(sagas.asked, ElementsAre("show " + id_ + " timeline=false"));
}

TEST_F(SagaVerbs, ShowItsRecords) {
  sagas.records =
      R"([{"seq":1,"time":"2026-11-24T12:00:00.000Z","type":"accepted","input":{"card":"4242"}},)"
      R"({"seq":2,"time":"2026-11-24T12:00:01.000Z","type":"step-refused","step":"charge","status":402,"detail":"no funds"},)"
      R"({"seq":3,"time":"2026-11-24T12:00:02.000Z","type":"operator","verb":"abort","who":"ada","why":"fraud"}])";
  const Outcome outcome = ask({"show", id_, "--timeline"});
  EXPECT_THAT(
      outcome.out,
      HasSubstr("\n"
                "SEQ  TIME                      RECORD        STEP    STATUS  NOTE\n"
                "1    2026-11-24T12:00:00.000Z  accepted      -       -       -\n"
                "2    2026-11-24T12:00:01.000Z  step-refused  charge  402     no funds\n"
                "3    2026-11-24T12:00:02.000Z  operator      -       -       abort by ada: fraud\n"));
  EXPECT_THAT(outcome.out, HasSubstr("RESULT     {\"order_id\":\"o-1\"}\n"));
  EXPECT_THAT(sagas.asked, ElementsAre("show " + id_ + " timeline=true"));
}

TEST_F(SagaVerbs, PrintTheAnswerAsItCameForPrograms) {
  EXPECT_EQ(ask({"show", id_, "-o", "json"}).out, json::write(FakeSagas::saga_in("completed").body) + "\n");
}

TEST_F(SagaVerbs, OperateOne) {
  struct {
    std::vector<std::string> arguments;
    std::string asked;
  } const cases[] = {
      {{"cancel", id_, "--why", "w"}, "cancel " + id_ + " who=ada why=w"},
      {{"suspend", id_, "--why", "w"}, "suspend step= who=ada why=w seq=any payload=null version="},
      {{"resume", id_, "--why", "w", "--who", "bob"},
       "resume step= who=bob why=w seq=any payload=null version="},
      {{"retry", id_, "--why", "w", "--step", "charge", "--expected-seq", "4"},
       "retry step=charge who=ada why=w seq=4 payload=null version="},
      {{"set-result", id_, "--why", "w", "--result", R"({"paid":1.10})"},
       R"(set-result step= who=ada why=w seq=any payload={"paid":1.10} version=)"},
      {{"set-result", id_, "--why", "w", "--step", "charge"},
       "set-result step=charge who=ada why=w seq=any payload=none version="},
      {{"forgive", id_, "--why", "w", "--step", "charge"},
       "forgive step=charge who=ada why=w seq=any payload=null version="},
      {{"abort", id_, "--why", "w"}, "abort step= who=ada why=w seq=any payload=null version="},
      {{"fail", id_, "--why", "w"}, "fail step= who=ada why=w seq=any payload=null version="},
      {{"migrate", id_, "--why", "w", "--version", "abc"},
       "migrate step= who=ada why=w seq=any payload=null version=abc"},
  };
  for (const auto& c : cases) {
    sagas.asked.clear();
    const Outcome outcome = ask(c.arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("STATE      completed\n"));
    EXPECT_THAT(sagas.asked,
                ElementsAre(c.asked.starts_with("cancel") ? c.asked : "operate " + id_ + " " + c.asked));
  }
}

TEST_F(SagaVerbs, SignalOne) {
  const Outcome said = ask({"signal", id_, "--signal", "approved", "--payload", R"({"by":"ada"})"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(said.out, "delivered\n");
  EXPECT_EQ(ask({"signal", id_, "--signal", "a/b", "-o", "json"}).out, "{\"duplicate\":false}\n");
  EXPECT_THAT(sagas.asked, ElementsAre("signal " + id_ + R"( name=approved id= payload={"by":"ada"})",
                                       "signal " + id_ + " name=a/b id= payload=null"));
}

TEST_F(SagaVerbs, SayWhatWasRefused) {
  sagas.problem = saga::SagaProblem{.reason = Reason::conflict, .detail = "the saga is at record 5, not 4"};
  const Outcome outcome = ask({"resume", id_, "--why", "w", "--expected-seq", "4"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "flotilla: The thing changed meanwhile: the saga is at record 5, not 4\n");
}

TEST_F(SagaVerbs, RefuseWrongUsageWithTwoAndAskNothing) {
  const std::vector<std::vector<std::string>> cases{
      {"show"},
      {"list", id_},
      {"count", "--limit", "7"},
      {"count", "--search", "order"},
      {"list", "--limit", "0"},
      {"list", "--limit", "1001"},
      {"list", "--timeline"},
      {"show", id_, "--step", "charge"},
      {"resume", id_},
      {"resume", "--why", "w"},
      {"resume", id_, "--why", "w", "--result", "{}"},
      {"cancel", id_, "--why", "w", "--expected-seq", "4"},
      {"set-result", id_, "--why", "w", "--result", "{"},
      {"list", "--search", "order"},
      {"show", id_, "--search", "order=1"},
      {"retry", id_, "--why", "w", "--expected-seq", "x"},
      {"signal", id_},
      {"signal", id_, "--signal", "approved", "--payload", "{"},
      {"signal", id_, "--signal", "approved", "--why", "w"},
      {"explode", id_, "--why", "w"},
  };
  for (const auto& arguments : cases) {
    const Outcome outcome = ask(arguments);
    EXPECT_EQ(outcome.code, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err, "");
  }
  ::unsetenv("USER");
  EXPECT_EQ(ask({"resume", id_, "--why", "w"}).code, 2);
  EXPECT_THAT(sagas.asked, ElementsAre());
}

}  // namespace
}  // namespace flotilla::app
