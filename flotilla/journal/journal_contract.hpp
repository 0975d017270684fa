// The fixture of the tests that every kind of journal must pass.
//
// For: journal_contract_test.cpp, which instantiates all of them, and journal_contract_rows_test.cpp.
// Ownership: each test has a fresh store of its own. Threads: the test's; the journal's answer it. Limits:
// where there is no PostgreSQL its stores are skipped.
#pragma once

#include <memory>

#include <gtest/gtest.h>

#include "flotilla/journal/test_stores.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::journal {

class JournalContract : public testing::TestWithParam<test::Store> {
 protected:
  void SetUp() override {
    if (owner_ == nullptr) {
      GTEST_SKIP() << "no PostgreSQL";
    }
  }
  // The n-th stream that was created.
  [[nodiscard]] StreamId nth(std::uint64_t n) const { return stream_id(n, 0, journal_.shards()); }

  test::Place place_;
  std::unique_ptr<Journal> owner_ = GetParam().open(place_);
  Journal& journal_ = *owner_;

  // Runs `body` on a loop until it ends.
  template <class Body>
  static void on_loop(Body body) {
    auto loop = net::Loop::create();
    ASSERT_TRUE(loop.has_value());
    net::Scope scope;
    auto main = [](net::Loop& l, Body& b) -> net::Task<> {
      co_await b(l);
      l.stop();
    };
    (*loop)->post([&] { scope.spawn(main(**loop, body)); });
    (*loop)->run();
  }
};

}  // namespace flotilla::journal
