#ifndef HEADGATE_BENCHMARKS_JOB_HPP
#define HEADGATE_BENCHMARKS_JOB_HPP

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <sys/resource.h>
#include <sys/time.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

/// What the C++ programs that are compared have in common: the same command line, the same work on
/// a page, the same measurement. The peers in other languages have the same command line and print
/// the same line of JSON.
namespace job {

enum class kind {
    fetch, ///< the body, whole, in a string
    parse, ///< and made JSON values of
    ndjson ///< and each record written as a line
};

struct arguments {
    std::string url;
    std::uint64_t pages = 1000;
    std::size_t in_flight = 16;
    std::size_t threads = 1; ///< for the programs that can use several
    kind what = kind::fetch;
    std::string output = "/dev/null";
};

/// Reads the command line; ends the program if it cannot be obeyed.
inline arguments parse_arguments(int argc, char* argv[], const std::string& description)
{
    arguments result;
    CLI::App app{description};
    app.add_option("--url", result.url, "Page to fetch again and again")->required();
    app.add_option("--pages", result.pages, "How many")->check(CLI::PositiveNumber);
    app.add_option("--in-flight", result.in_flight, "Requests at once")->check(CLI::PositiveNumber);
    const std::map<std::string, kind> kinds{
        {"fetch", kind::fetch}, {"parse", kind::parse}, {"ndjson", kind::ndjson}};
    app.add_option("--threads", result.threads, "Threads to run on")->check(CLI::PositiveNumber);
    app.add_option("--job", result.what, "fetch, parse or ndjson")
        ->transform(CLI::CheckedTransformer(kinds));
    app.add_option("--output", result.output, "Where the records of the job ndjson go");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        std::exit(app.exit(e));
    }
    return result;
}

/// What was done, and what the records are written to.
class records {
public:
    explicit records(const arguments& settings) : what_{settings.what}
    {
        if (what_ != kind::ndjson)
            return;
        file_.open(settings.output);
        if (!file_)
            throw std::runtime_error{"cannot write to " + settings.output};
    }

    /// One page of the job `fetch`.
    void take_body(const std::string& body)
    {
        ++pages_;
        bytes_ += body.size();
    }

    /// One page of the other jobs.
    /// @param text_of  gives the JSON of a record
    template <class List, class TextOf>
    void take_records(const List& list, TextOf text_of)
    {
        ++pages_;
        records_ += list.size();
        if (what_ != kind::ndjson)
            return;
        lines_.clear();
        for (const auto& each : list) {
            lines_ += text_of(each);
            lines_ += '\n';
        }
        file_.write(lines_.data(), static_cast<std::streamsize>(lines_.size()));
    }

    /// Whatever the job is: for programs that leave the parsing to this.
    void take(const std::string& body)
    {
        if (what_ == kind::fetch)
            return take_body(body);
        const auto document = nlohmann::json::parse(body);
        bytes_ += body.size();
        take_records(document.at("results"),
                     [](const nlohmann::json& each) { return each.dump(); });
    }

    std::uint64_t pages() const noexcept { return pages_; }
    std::uint64_t count() const noexcept { return records_; }
    std::uint64_t bytes() const noexcept { return bytes_; }

private:
    kind what_;
    std::uint64_t pages_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t bytes_ = 0;
    std::string lines_;
    std::ofstream file_;
};

/// Measures from its construction on.
class measurement {
public:
    /// Prints what it took as one line of JSON, with how many requests really were in flight if
    /// that may have been less than allowed.
    void print(const records& done, std::optional<std::size_t> peak_in_flight = std::nullopt) const
    {
        const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - began_;
        nlohmann::ordered_json line;
        line["cpu_seconds"] = cpu_seconds() - cpu_;
        line["wall_seconds"] = wall.count();
        line["pages"] = done.pages();
        line["records"] = done.count();
        line["bytes"] = done.bytes();
        line["peak_rss_kib"] = peak_rss_kib();
        if (peak_in_flight)
            line["peak_in_flight"] = *peak_in_flight;
        std::cout << line.dump() << '\n';
    }

private:
    static double cpu_seconds()
    {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        const auto seconds = [](const timeval& time) {
            return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
        };
        return seconds(usage.ru_utime) + seconds(usage.ru_stime);
    }

    /// Not getrusage's ru_maxrss, in which the process that started this one has a part.
    static std::uint64_t peak_rss_kib()
    {
        std::ifstream status{"/proc/self/status"};
        for (std::string word; status >> word;)
            if (std::uint64_t size = 0; word == "VmHWM:" && status >> size)
                return size;
        return 0;
    }

    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    double cpu_ = cpu_seconds();
};

} // namespace job

#endif
