// `flotilla topics` and `flotilla subjects`: looking at topics, deleting them, erasing personal data.
//
// Ownership, threads: values; runs on the calling thread. Limits: those of cli_client.hpp.
#pragma once

#include <functional>
#include <string>

#include "flotilla/app/cli_ask.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}  // namespace CLI

namespace flotilla::app {

struct TopicOrder {
  std::string verb = "list";  // list, show, delete; of subjects: show, erase
  std::string name;           // of the topic, or the subject's id
  std::string who;
  std::string why;
};

// Add to the verbs what they take. Once one was parsed, `run` does what was asked.
void add_topic_options(CLI::App& verb, TopicOrder& order, const ClientOptions& options,
                       std::function<int()>& run);
void add_subject_options(CLI::App& verb, TopicOrder& order, const ClientOptions& options,
                         std::function<int()>& run);

}  // namespace flotilla::app
