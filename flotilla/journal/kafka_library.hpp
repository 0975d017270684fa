// librdkafka, loaded when a file first names Kafka, so that a program that needs none stays small.
//
// For: kafka_producer.cpp and kafka_consumer.cpp, which are all that speaks to it. Members are its functions
// without their prefix rd_kafka_. Ownership: once loaded it stays. Threads: any. Limits: librdkafka 2.0 or
// newer, under the name librdkafka.so.1.
#pragma once

#include <librdkafka/rdkafka.h>

#include "flotilla/base/error.hpp"

namespace flotilla::journal::kafka {

struct Library {
  decltype(&rd_kafka_conf_new) conf_new = nullptr;
  decltype(&rd_kafka_conf_destroy) conf_destroy = nullptr;
  decltype(&rd_kafka_conf_set) conf_set = nullptr;
  decltype(&rd_kafka_conf_set_events) conf_set_events = nullptr;
  decltype(&rd_kafka_conf_set_log_cb) conf_set_log_cb = nullptr;
  decltype(&rd_kafka_new) make = nullptr;
  decltype(&rd_kafka_destroy_flags) destroy_flags = nullptr;
  decltype(&rd_kafka_err2str) err2str = nullptr;
  decltype(&rd_kafka_err2name) err2name = nullptr;
  decltype(&rd_kafka_fatal_error) fatal_error = nullptr;
  decltype(&rd_kafka_purge) purge = nullptr;
  decltype(&rd_kafka_produceva) produceva = nullptr;
  decltype(&rd_kafka_error_code) error_code = nullptr;
  decltype(&rd_kafka_error_string) error_string = nullptr;
  decltype(&rd_kafka_error_destroy) error_destroy = nullptr;
  decltype(&rd_kafka_headers_new) headers_new = nullptr;
  decltype(&rd_kafka_header_add) header_add = nullptr;
  decltype(&rd_kafka_headers_destroy) headers_destroy = nullptr;
  decltype(&rd_kafka_queue_get_main) queue_get_main = nullptr;
  decltype(&rd_kafka_queue_get_consumer) queue_get_consumer = nullptr;
  decltype(&rd_kafka_queue_destroy) queue_destroy = nullptr;
  decltype(&rd_kafka_queue_io_event_enable) queue_io_event_enable = nullptr;
  decltype(&rd_kafka_queue_poll) queue_poll = nullptr;
  decltype(&rd_kafka_event_type) event_type = nullptr;
  decltype(&rd_kafka_event_destroy) event_destroy = nullptr;
  decltype(&rd_kafka_event_error) event_error = nullptr;
  decltype(&rd_kafka_event_error_string) event_error_string = nullptr;
  decltype(&rd_kafka_event_message_next) event_message_next = nullptr;
  decltype(&rd_kafka_event_topic_partition_list) event_topic_partition_list = nullptr;
  decltype(&rd_kafka_message_headers) message_headers = nullptr;
  decltype(&rd_kafka_header_get_all) header_get_all = nullptr;
  decltype(&rd_kafka_message_timestamp) message_timestamp = nullptr;
  decltype(&rd_kafka_topic_name) topic_name = nullptr;
  decltype(&rd_kafka_topic_partition_list_new) topic_partition_list_new = nullptr;
  decltype(&rd_kafka_topic_partition_list_add) topic_partition_list_add = nullptr;
  decltype(&rd_kafka_topic_partition_list_destroy) topic_partition_list_destroy = nullptr;
  decltype(&rd_kafka_subscribe) subscribe = nullptr;
  decltype(&rd_kafka_assign) assign = nullptr;
  decltype(&rd_kafka_assignment_lost) assignment_lost = nullptr;
  decltype(&rd_kafka_commit_queue) commit_queue = nullptr;
  decltype(&rd_kafka_poll_set_consumer) poll_set_consumer = nullptr;
  decltype(&rd_kafka_consumer_close_queue) consumer_close_queue = nullptr;
  decltype(&rd_kafka_consumer_closed) consumer_closed = nullptr;
};

// Errors: unsupported, with the package to install.
[[nodiscard]] Result<const Library*> library();

}  // namespace flotilla::journal::kafka
