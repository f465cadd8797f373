#ifndef EXTRACT_PAGING_HPP
#define EXTRACT_PAGING_HPP

#include "extract_arguments.hpp"
#include "extract_limiter.hpp"

#include <headgate/headgate.hpp>

#include <string>
#include <utility>

/// The request that asks for the list.
inline headgate::http::request make_request(const arguments& args)
{
    headgate::http::request request{args.url};
    bool typed = false;
    for (const auto& [name, value] : args.headers) {
        request.header(name, value);
        typed = typed || CLI::detail::to_lower(name) == "content-type";
    }
    if (args.data)
        request.method("POST").body(*args.data, typed ? "" : "application/json");
    return request;
}

inline headgate::paging::offset make_offset(const arguments& args)
{
    headgate::paging::offset pager{make_request(args)};
    pager.offset_param(args.offset_param).limit_param(args.limit_param);
    if (args.total)
        pager.total(*args.total);
    if (args.page_size > 0)
        pager.page_size(args.page_size);
    if (!args.seam_check.empty())
        pager.seam_check(args.seam_check);
    return pager;
}

inline headgate::paging::page_number make_page_number(const arguments& args)
{
    headgate::paging::page_number pager{make_request(args)};
    pager.page_param(args.page_param).limit_param(args.limit_param);
    if (args.total)
        pager.total(*args.total);
    pager.first_page(args.first_page);
    if (args.page_size > 0)
        pager.page_size(args.page_size);
    return pager;
}

inline headgate::paging::cursor make_cursor(const arguments& args)
{
    headgate::paging::cursor pager{make_request(args)};
    pager.in_body(args.next).cursor_param(args.cursor_param);
    if (args.total)
        pager.total(*args.total);
    if (!args.cursor_header.empty())
        pager.in_header(args.cursor_header);
    if (!args.more.empty())
        pager.more(args.more);
    if (args.page_size > 0)
        pager.page_size(args.page_size, args.limit_param);
    return pager;
}

inline headgate::paging::next_url make_next_url(const arguments& args)
{
    headgate::paging::next_url pager{make_request(args)};
    pager.in_body(args.next);
    if (args.total)
        pager.total(*args.total);
    if (args.paginate == "link")
        pager.in_link();
    for (const std::string& origin : args.allowed_origins)
        pager.allow_origin(origin);
    if (args.page_size > 0)
        pager.page_size(args.page_size, args.limit_param);
    return pager;
}

inline headgate::paging::keyset make_keyset(const arguments& args)
{
    headgate::paging::keyset pager{make_request(args), args.key, args.cursor_param};
    if (args.page_size > 0)
        pager.page_size(args.page_size, args.limit_param);
    return pager;
}

/// Calls a function with the pager that the command line asks for.
template <class Function>
auto with_pager(const arguments& args, Function function)
{
    if (args.paginate == "page")
        return function(make_page_number(args));
    if (args.paginate == "cursor")
        return function(make_cursor(args));
    if (args.paginate == "next" || args.paginate == "link")
        return function(make_next_url(args));
    if (args.paginate == "keyset")
        return function(make_keyset(args));
    return function(make_offset(args));
}

/// Starts the extraction that the command line asks for.
inline headgate::page_stream start(const headgate::http::client& client, const run_limiter& limiter,
                                   const arguments& args, const headgate::extract_options& options)
{
    return with_pager(args, [&](auto pager) {
        return limiter.visit([&](const auto& one) {
            return headgate::extract(client, one, std::move(pager), options);
        });
    });
}

#endif
