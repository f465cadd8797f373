#ifndef HEADGATE_HEADGATE_HPP
#define HEADGATE_HEADGATE_HPP

/// @file
/// All of headgate that needs no opt-in.

#include <headgate/async_limiter.hpp>
#include <headgate/checkpoint.hpp>
#include <headgate/error.hpp>
#include <headgate/extract.hpp>
#include <headgate/extract_options.hpp>
#include <headgate/fwd.hpp>
#include <headgate/http/client.hpp>
#include <headgate/http/error.hpp>
#include <headgate/http/link.hpp>
#include <headgate/http/rate_hint.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/retry_after.hpp>
#include <headgate/http/url.hpp>
#include <headgate/json_parser.hpp>
#include <headgate/keyed_limiter.hpp>
#include <headgate/limit.hpp>
#include <headgate/observer.hpp>
#include <headgate/outcome.hpp>
#include <headgate/page.hpp>
#include <headgate/page_parser.hpp>
#include <headgate/page_stream.hpp>
#include <headgate/paging/cursor.hpp>
#include <headgate/paging/keyset.hpp>
#include <headgate/paging/next_request.hpp>
#include <headgate/paging/next_url.hpp>
#include <headgate/paging/offset.hpp>
#include <headgate/paging/page_number.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/paging/partitions.hpp>
#include <headgate/permit.hpp>
#include <headgate/record.hpp>
#include <headgate/result_channel.hpp>
#include <headgate/work_queue.hpp>
#include <headgate/worker_pool.hpp>

#endif
