#ifndef EXTRACT_OPTIONS_HPP
#define EXTRACT_OPTIONS_HPP

#include "extract_arguments.hpp"

#include <headgate/checkpoint.hpp>
#include <headgate/extract_options.hpp>
#include <headgate/http/client_options.hpp>
#include <headgate/observer.hpp>
#ifdef EXTRACT_WITH_SIMDJSON
#include <headgate/simdjson/simdjson_parser.hpp>
#endif

#include <memory>
#include <string>
#include <utility>

inline headgate::http::client_options make_client_options(const arguments& args)
{
    headgate::http::client_options options;
    options.timeout(args.timeout).max_body_bytes(args.max_page_bytes);
    return options;
}

inline headgate::extract_options make_options(const arguments& args,
                                              std::shared_ptr<headgate::observer> observer,
                                              std::shared_ptr<headgate::checkpoint> checkpoint)
{
    headgate::extract_options options;
    options.observe(std::move(observer)).checkpoint(std::move(checkpoint));
    options.records(args.records)
        .max_in_flight(args.max_in_flight)
        .retries(args.retries)
        .max_wait(args.max_wait)
        .adaptive(args.adaptive)
        .ordered(args.ordered)
        .repeat_any_method(args.repeat_post)
        .allow_private_addresses(args.allow_private);
#ifdef EXTRACT_WITH_SIMDJSON
    options.parser(headgate::simdjson_parser{});
#endif
    // Rows that move by more than a page come to what the seams do not remember.
    if (const std::string& key = args.unique.empty() ? args.seam_check : args.unique; !key.empty())
        options.unique(key);
    if (args.stall > args.stall.zero())
        options.stall_after(args.stall);
    if (args.max_pages > 0)
        options.max_pages(args.max_pages);
    return options;
}

#endif
