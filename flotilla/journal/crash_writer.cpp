// Appends to a store from two threads for ever, and says on standard output, a line each, what was
// acknowledged. crash_test.cpp kills it. Usage: crash_writer FILE
#include <cstdio>
#include <string>
#include <thread>

#include <unistd.h>

#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/test_support.hpp"

namespace {

using namespace flotilla::journal;

void append_for_ever(Journal& journal, int thread) {
  for (int i = 0;; ++i) {
    Batch batch = test::at(journal);
    const std::string name =
        std::to_string(journal.epoch()) + "." + std::to_string(thread) + "." + std::to_string(i);
    const StreamRef stream = batch.create();
    batch.appends.push_back(
        {RecordClass::topic, stream, {}, {test::record(name + "/1", "t"), test::record(name + "/2", "t")}});
    batch.claims.push_back({"crash", name, stream, {}, {}});
    if (!test::append(journal, std::move(batch)).has_value()) {
      return;
    }
    const std::string line = name + "\n";
    if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      return;
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: crash_writer FILE\n", stderr);
    return 2;
  }
  // A small log, so that checkpoints are among what is killed.
  auto journal = SqliteJournal::open(
      {.path = arguments[1], .vocabulary = test::vocabulary(), .wal_step = 64 << 10, .wal_bound = 256 << 10});
  if (!journal) {
    std::fputs(journal.error().message.c_str(), stderr);
    return 1;
  }
  std::thread other([&] { append_for_ever(**journal, 1); });
  append_for_ever(**journal, 2);
  other.join();
}
