#ifndef EXTRACT_ARGUMENTS_HPP
#define EXTRACT_ARGUMENTS_HPP

#include "extract_values.hpp"

#include <headgate/async_limiter.hpp>
#include <headgate/http/url.hpp>
#include <headgate/limit.hpp>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

/// The command line of `extract`, checked.
struct arguments {
    std::string url;
    std::vector<headgate::limit> limits;
    std::chrono::nanoseconds credit = headgate::async_limiter::default_credit;
    std::string rate_text;
    std::size_t page_size = 0;
    std::string records = "/results";
    std::optional<std::string> total;
    std::string paginate = "offset";
    std::string offset_param = "offset";
    std::string limit_param = "limit";
    std::string page_param = "page";
    std::uint64_t first_page = 1;
    std::string cursor_param = "cursor";
    std::string cursor_header;
    std::string next = "/next";
    std::string more;
    std::string key = "/id";
    std::string seam_check;
    std::string unique;
    std::vector<std::string> allowed_origins;
    std::optional<std::string> data;
    bool repeat_post = false;
    bool ordered = false;
    bool allow_private = false;
    std::size_t max_in_flight = 64;
    std::chrono::milliseconds timeout{30'000};
    std::size_t max_page_bytes = std::size_t{64} << 20;
    std::uint64_t max_pages = 0;
    unsigned retries = 5;
    std::chrono::nanoseconds max_wait{};
    std::chrono::nanoseconds stall{};
    bool adaptive = false;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string output = "-";
    std::string stats;
    std::string report;
    std::string checkpoint;
    std::string quota;
    std::optional<double> quota_share; ///< of the limits, while Redis is away
    bool quota_fails = false;          ///< a run, while Redis is away
    std::string work;
    bool no_progress = false;
};

/// What the styles of paging need to know. A parameter whose name begins with a slash is a JSON
/// Pointer into the request's body.
inline void add_style_options(CLI::App& app, arguments& result)
{
    app.add_option("--offset-param", result.offset_param, "Name of the offset parameter")
        ->check(parameter())
        ->capture_default_str();
    app.add_option("--limit-param", result.limit_param, "Name of the parameter for --page-size")
        ->check(parameter())
        ->capture_default_str();
    app.add_option("--page-param", result.page_param, "Name of the page number parameter")
        ->check(parameter())
        ->capture_default_str();
    app.add_option("--first-page", result.first_page, "Number of the first page")
        ->check(whole_numbers(0))
        ->capture_default_str();
    app.add_option("--cursor-param", result.cursor_param,
                   "Name of the parameter for the cursor or the key")
        ->check(parameter())
        ->capture_default_str();
    app.add_option("--next", result.next, "JSON Pointer to the next cursor or URL")
        ->check(json_pointer())
        ->capture_default_str();
    app.add_option("--cursor-header", result.cursor_header,
                   "Header field with the next cursor, instead of --next")
        ->excludes("--next");
    app.add_option("--more", result.more,
                   "JSON Pointer to what is false or 0 on the last page, for cursor; unless given, "
                   "has_more and the like are looked for")
        ->check(json_pointer());
    app.add_option("--key", result.key, "JSON Pointer into a record to its key, for keyset")
        ->check(json_pointer())
        ->capture_default_str();
    app.add_option("--seam-check", result.seam_check,
                   "JSON Pointer into a record to its key, to notice when rows of an offset list "
                   "move; such as come again are dropped, as by --unique")
        ->check(json_pointer());
    app.add_option("--unique", result.unique,
                   "JSON Pointer into a record to its key; records that come again are dropped")
        ->check(json_pointer());
    app.add_option("--allow-origin", result.allowed_origins,
                   "Another origin that next URLs may lead to, for next and link; it gets no "
                   "--header")
        ->check(origin())
        ->allow_extra_args(false);
    app.add_flag("--allow-private", result.allow_private,
                 "Let a public server send to private addresses");
    app.add_option("--data", result.data,
                   "JSON body, sent as it is but for parameters that stand in it; makes the "
                   "requests POST. A file cannot be named, not even by @");
    app.add_flag("--repeat-post", result.repeat_post, "Also try POST again after a failure");
    app.add_flag("--ordered", result.ordered, "Write pages in the order of the list");
}

/// What only some styles know. With another it would do nothing, and seem to.
inline void check_style_options(const CLI::App& app, const std::string& style)
{
    struct known {
        const char* option;
        std::vector<std::string> styles;
    };
    static const known all[] = {
        {"--offset-param", {"offset"}},
        {"--seam-check", {"offset"}},
        {"--page-param", {"page"}},
        {"--first-page", {"page"}},
        {"--cursor-param", {"cursor", "keyset"}},
        {"--cursor-header", {"cursor"}},
        {"--more", {"cursor"}},
        {"--next", {"cursor", "next"}},
        {"--allow-origin", {"next", "link"}},
        {"--key", {"keyset"}},
        {"--total", {"offset", "page", "cursor", "next", "link"}},
    };
    for (const known& each : all) {
        if (app.get_option(each.option)->count() == 0 ||
            std::find(each.styles.begin(), each.styles.end(), style) != each.styles.end())
            continue;
        std::string needed = each.styles.front();
        for (std::size_t i = 1; i < each.styles.size(); ++i)
            needed += (i + 1 < each.styles.size() ? ", " : " or ") + each.styles[i];
        throw bad_usage{std::string{each.option} + " needs --paginate " + needed};
    }
    if (app.get_option("--limit-param")->count() > 0 && app.get_option("--page-size")->count() == 0)
        throw bad_usage{"--limit-param needs --page-size"};
}

/// Whether two names, of which "-" is standard output, are of one file, also one that is not there
/// yet. A device is not written over.
inline bool is_same_file(const std::string& one, const std::string& other)
{
    if (one == other)
        return true;
    namespace fs = std::filesystem;
    std::error_code failed; // what cannot be found out will be told when it is opened
    const auto path_of = [&failed](const std::string& name) {
        return fs::weakly_canonical(fs::absolute(name == "-" ? "/dev/stdout" : name, failed),
                                    failed);
    };
    const fs::path path = path_of(one);
    const fs::path other_path = path_of(other);
    return path == other_path
               ? !fs::exists(path, failed) || fs::is_regular_file(path, failed)
               : fs::is_regular_file(path, failed) && fs::equivalent(path, other_path, failed);
}

/// What does not fit together where several processes share something.
inline void check_shared(const CLI::App& app, const arguments& args)
{
    if (app.get_option("--quota-away")->count() > 0 && args.quota.empty())
        throw bad_usage{"--quota-away needs --quota"};
    if (args.work.empty())
        return;
    if (args.quota.empty())
        throw bad_usage{"--work needs --quota: each process would keep to the rates for itself"};
    if (args.output == "-")
        throw bad_usage{"--work needs --output with a file: what went to standard output cannot be "
                        "taken back when another process has written it, too"};
    for (const char* other : {"--checkpoint", "--report", "--ordered", "--unique", "--seam-check",
                              "--max-pages", "--stall"})
        if (app.get_option(other)->count() > 0)
            throw bad_usage{std::string{"--work does not go with "} + other};
    if (args.quota == args.work)
        throw bad_usage{"--work and --quota have the same key"};
}

/// What does not fit together.
inline void check_fit(const CLI::App& app, const arguments& args)
{
    if (args.repeat_post && !args.data)
        throw bad_usage{"--repeat-post needs --data"};
    for (const auto& [option, name] : {std::pair{"--offset-param", &args.offset_param},
                                       std::pair{"--limit-param", &args.limit_param},
                                       std::pair{"--page-param", &args.page_param},
                                       std::pair{"--cursor-param", &args.cursor_param}})
        if (!args.data && name->substr(0, 1) == "/")
            throw bad_usage{std::string{option} + ' ' + *name +
                            ": a place in a JSON body needs --data"};
    check_style_options(app, args.paginate);
    const auto check_differ = [](const std::string& option, const std::string& file,
                                 const std::string& other_option, const std::string& other) {
        if (!file.empty() && !other.empty() && is_same_file(file, other))
            throw bad_usage{option + " and " + other_option + " are both " +
                            (other == "-" ? "standard output" : other)};
    };
    check_differ("--stats", args.stats, "--output", args.output);
    check_differ("--report", args.report, "--output", args.output);
    check_differ("--report", args.report, "--stats", args.stats);
    check_shared(app, args);
    if (args.checkpoint.empty())
        return;
    if (args.output == "-")
        throw bad_usage{"--checkpoint needs --output with a file: what went to standard output "
                        "cannot be taken back"};
    check_differ("--checkpoint", args.checkpoint, "--output", args.output);
    check_differ("--checkpoint", args.checkpoint, "--stats", args.stats);
    check_differ("--checkpoint", args.checkpoint, "--report", args.report);
}

/// What several processes have together.
inline void add_shared_options(CLI::App& app, arguments& result, std::string& away)
{
    app.add_option("--quota", result.quota,
                   "Redis and a key, like redis://host:6379/name: all that name the same share the "
                   "rates of whoever came first")
        ->check(redis_url());
    app.add_option("--quota-away", away,
                   "While that Redis is away: wait, fail, or a share of the rates, like 0.25")
        ->capture_default_str();
    app.add_option("--work", result.work,
                   "Redis and a key: all that name the same are one job, each page of which one of "
                   "them writes to its --output")
        ->check(redis_url());
#ifndef EXTRACT_WITH_REDIS
    for (const char* option : {"--quota", "--work"})
        app.get_option(option)->description("Not in this build, which has no Redis");
#endif
}

/// The command line, or nothing if it asked for help, which was given.
/// @throws bad_usage
inline std::optional<arguments> parse_arguments(int argc, char* argv[])
{
    arguments result;
    std::vector<std::string> rates;
    std::vector<std::string> headers;
    std::string kind = "paced";
    std::string timeout = "30s";
    std::string max_wait = "300s";
    std::optional<std::string> stall;
    std::string away = "wait";
    std::size_t in_flight = 0;
    std::size_t burst = 0;

    CLI::App app{"Pulls all records of a paginated HTTP API into NDJSON, at the rate it allows.",
                 "extract"};
    app.add_option("url", result.url, "The list, as an http or https URL")->required();
    app.add_option("--rate", rates, "Requests allowed, like 100/60s; several are kept all")
        ->required()
        ->allow_extra_args(false);
    app.add_option("--rate-kind", kind, "How they are sent: evenly, as a burst, or as a bucket")
        ->check(CLI::IsMember({"paced", "window", "bucket"}))
        ->capture_default_str();
    app.add_option("--burst", burst, "Size of the bucket")
        ->check(whole_numbers(1, headgate::limit::max_count));
    app.add_option(
           "--paginate", result.paginate,
           "Style of paging: by offset or page number, from the first on whatever the URL says, by "
           "cursor, the next page's URL in the body or in the Link header, or the last record's "
           "key")
        ->check(CLI::IsMember({"offset", "page", "cursor", "next", "link", "keyset"}))
        ->capture_default_str();
    add_style_options(app, result);
    app.add_option("--page-size", result.page_size, "Records to ask for at once")
        ->check(whole_numbers(1, std::numeric_limits<std::uint32_t>::max()));
    app.add_option("--records", result.records, "JSON Pointer to the records")
        ->check(json_pointer())
        ->capture_default_str();
    app.add_option(
           "--total", result.total,
           "JSON Pointer to the total; unless given, a list without a next page is measured by "
           "other usual names, too")
        ->check(json_pointer())
        ->default_str("/count");
    app.add_option("--max-in-flight", result.max_in_flight, "Most requests in flight at once")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    app.add_option("--in-flight", in_flight, "Requests the server allows at the same time")
        ->check(whole_numbers(1, headgate::limit::max_count));
    app.add_option("--retries", result.retries, "Tries for a page after the first")
        ->check(CLI::Range(0, 1000))
        ->capture_default_str();
    app.add_option("--max-wait", max_wait, "Longest wait that the server may ask for")
        ->capture_default_str();
    app.add_option("--stall", stall, "Give up when no page has come for this long");
    app.add_flag("--adaptive", result.adaptive,
                 "Find out what the server really allows, up to --rate and --max-in-flight");
    app.add_option("--timeout", timeout, "Longest time for one request")->capture_default_str();
    app.add_option("--max-page-bytes", result.max_page_bytes, "Largest page, after decompression")
        ->transform(bytes())
        ->capture_default_str();
    app.add_option("--max-pages", result.max_pages,
                   "Most pages to ask for; the rest of one that came short is not another")
        ->check(whole_numbers(1));
    app.add_option("--header", headers, "Sent with every request: 'Name: value'")
        ->allow_extra_args(false);
    app.add_option("--output", result.output,
                   "File for the records, replaced at the start; - for standard output")
        ->capture_default_str();
    app.add_option("--stats", result.stats,
                   "File for a JSON object about the run, replaced at the start; - for standard "
                   "output, where --output is a file")
        ->check(CLI::Validator{
            [](const std::string& file) { return file.empty() ? "must be a file or -" : ""; }, ""});
    app.add_option("--report", result.report,
                   "File for a page of HTML that shows how the run went, replaced at the end")
        ->check(CLI::Validator{[](const std::string& file) {
                                   return file.empty() || file == "-" ? "must be a file" : "";
                               },
                               ""});
    app.add_option("--checkpoint", result.checkpoint,
                   "File from which the same command goes on after it was stopped, however; needs "
                   "--output FILE, which is not replaced then")
        ->check(CLI::Validator{[](const std::string& file) {
                                   return file.empty() || file == "-" ? "must be a file" : "";
                               },
                               ""});
    add_shared_options(app, result, away);
    app.add_flag("--no-progress", result.no_progress, "No progress line on a terminal");
#ifndef EXTRACT_WITH_SQLITE
    app.get_option("--checkpoint")->description("Not in this build, which has no SQLite");
#endif
#ifdef EXTRACT_VERSION
    app.set_version_flag("--version", "extract " EXTRACT_VERSION);
#endif
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() == 0) {
            app.exit(e);
            return std::nullopt;
        }
        throw bad_usage{e.what()};
    }
    result.quota_fails = away == "fail";
    if (away != "wait" && away != "fail")
        result.quota_share = parse_share("--quota-away", away);
    check_fit(app, result);
    if (burst > 0 && kind != "bucket")
        throw bad_usage{"--burst needs --rate-kind bucket"};

    for (const std::string& rate : rates) {
        const auto limits = parse_rate(rate, kind, burst);
        result.limits.insert(result.limits.end(), limits.begin(), limits.end());
        // A server that measures from one request to the next must not see those closer that were
        // sent late. Where they are so close that the clock itself is later than that, no such
        // server could be served anyway.
        const auto interval = limits.front().period() / static_cast<int>(limits.front().count());
        if (interval >= std::chrono::milliseconds{10})
            result.credit = std::min(result.credit, interval / 100);
        result.rate_text += (result.rate_text.empty() ? "" : " and ") + rate;
    }
    for (const std::string& header : headers)
        result.headers.push_back(parse_header(header));
    if (in_flight > 0)
        result.limits.push_back(headgate::limit::in_flight(in_flight));
    result.timeout = std::chrono::ceil<std::chrono::milliseconds>(parse_time("--timeout", timeout));
    if (stall)
        result.stall = parse_time("--stall", *stall);
    result.max_wait = parse_time("--max-wait", max_wait, true);
    return result;
}

#endif
