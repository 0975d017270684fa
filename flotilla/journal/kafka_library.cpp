#include "flotilla/journal/kafka_library.hpp"

#include <fmt/format.h>

#include "flotilla/base/shared_library.hpp"

namespace flotilla::journal::kafka {
namespace {

Result<Library> load() {
  Library f;
  SharedLibrary from("librdkafka.so.1");
  from.find(f.conf_new, "rd_kafka_conf_new")
      .find(f.conf_destroy, "rd_kafka_conf_destroy")
      .find(f.conf_set, "rd_kafka_conf_set")
      .find(f.conf_set_events, "rd_kafka_conf_set_events")
      .find(f.conf_set_log_cb, "rd_kafka_conf_set_log_cb")
      .find(f.make, "rd_kafka_new")
      .find(f.destroy_flags, "rd_kafka_destroy_flags")
      .find(f.err2str, "rd_kafka_err2str")
      .find(f.err2name, "rd_kafka_err2name")
      .find(f.fatal_error, "rd_kafka_fatal_error")
      .find(f.purge, "rd_kafka_purge")
      .find(f.produceva, "rd_kafka_produceva")
      .find(f.error_code, "rd_kafka_error_code")
      .find(f.error_string, "rd_kafka_error_string")
      .find(f.error_destroy, "rd_kafka_error_destroy")
      .find(f.headers_new, "rd_kafka_headers_new")
      .find(f.header_add, "rd_kafka_header_add")
      .find(f.headers_destroy, "rd_kafka_headers_destroy")
      .find(f.queue_get_main, "rd_kafka_queue_get_main")
      .find(f.queue_get_consumer, "rd_kafka_queue_get_consumer")
      .find(f.queue_destroy, "rd_kafka_queue_destroy")
      .find(f.queue_io_event_enable, "rd_kafka_queue_io_event_enable")
      .find(f.queue_poll, "rd_kafka_queue_poll")
      .find(f.event_type, "rd_kafka_event_type")
      .find(f.event_destroy, "rd_kafka_event_destroy")
      .find(f.event_error, "rd_kafka_event_error")
      .find(f.event_error_string, "rd_kafka_event_error_string")
      .find(f.event_message_next, "rd_kafka_event_message_next")
      .find(f.event_topic_partition_list, "rd_kafka_event_topic_partition_list")
      .find(f.message_headers, "rd_kafka_message_headers")
      .find(f.header_get_all, "rd_kafka_header_get_all")
      .find(f.message_timestamp, "rd_kafka_message_timestamp")
      .find(f.topic_name, "rd_kafka_topic_name")
      .find(f.topic_partition_list_new, "rd_kafka_topic_partition_list_new")
      .find(f.topic_partition_list_add, "rd_kafka_topic_partition_list_add")
      .find(f.topic_partition_list_destroy, "rd_kafka_topic_partition_list_destroy")
      .find(f.subscribe, "rd_kafka_subscribe")
      .find(f.assign, "rd_kafka_assign")
      .find(f.assignment_lost, "rd_kafka_assignment_lost")
      .find(f.commit_queue, "rd_kafka_commit_queue")
      .find(f.poll_set_consumer, "rd_kafka_poll_set_consumer")
      .find(f.consumer_close_queue, "rd_kafka_consumer_close_queue")
      .find(f.consumer_closed, "rd_kafka_consumer_closed");
  if (!from.error().empty()) {
    return fail(
        Errc::unsupported,
        fmt::format(
            "Kafka needs the library librdkafka, version 2.0 or newer (Debian's package librdkafka1): {}",
            from.error()));
  }
  return f;
}

}  // namespace

Result<const Library*> library() {
  static const Result<Library> loaded = load();
  if (!loaded) {
    return std::unexpected(loaded.error());
  }
  return &*loaded;
}

}  // namespace flotilla::journal::kafka
