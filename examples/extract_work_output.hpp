#ifndef EXTRACT_WORK_OUTPUT_HPP
#define EXTRACT_WORK_OUTPUT_HPP

#include "extract_output.hpp"
#include "extract_values.hpp"

#include <headgate/outcome.hpp>
#include <headgate/redis/work_stream_statistics.hpp>

#include <unistd.h>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

/// Why a process cannot go on with its share of a job, and the name of that for --stats.
class work_failure : public std::runtime_error {
public:
    work_failure(std::string outcome, const std::string& reason)
        : std::runtime_error{reason}, outcome_{std::move(outcome)}
    {
    }

    const std::string& outcome() const noexcept { return outcome_; }

private:
    std::string outcome_;
};

/// The output of a process that has a share of a job, and what Redis says of it: how much of it is
/// acknowledged. The outputs of others of the job that are on this machine, when it is done.
class work_output {
public:
    using fields = headgate::redis::work_fields;

    explicit work_output(const std::string& file) : file_{file} {}

    /// Takes the file. Before it is asked what is acknowledged of it: who has written it until now
    /// may have added to that.
    /// @throws bad_usage
    void take()
    {
        try {
            output_.emplace(output_file::alone(file_));
        } catch (const std::exception& e) {
            throw bad_usage{e.what()};
        }
    }

    /// Goes on behind what is acknowledged.
    /// @throws bad_usage
    void go_on(const fields& all, const std::string& job)
    {
        const auto mine = all.find(name());
        is_known_ = mine != all.end();
        if (is_known_)
            acknowledged_ = written::read(mine->second);
        else if (output_->size() > 0) // a machine with a new name, or a job that Redis has lost
            throw bad_usage{file_ + " is not empty, but --work " + job +
                            " knows nothing of it. To begin anew remove it"};
        try {
            output_->go_on_behind(acknowledged_);
        } catch (const std::exception& e) {
            throw bad_usage{e.what()};
        }
        written_ = acknowledged_;
        before_ = acknowledged_.lines;
    }

    /// By which name Redis knows it.
    std::string name() const { return prefix() + place_; }

    /// Whether Redis does.
    bool is_known() const noexcept { return is_known_; }
    void is_known(bool now) noexcept { is_known_ = now; }

    /// What Redis is to know of it, with all that was written.
    std::string note() const { return written_.text(); }

    /// How many records this process has written, and how many stood there before.
    std::uint64_t records() const noexcept { return acknowledged_.lines - before_; }
    std::uint64_t before() const noexcept { return before_; }

    /// Writes so many records, all or none.
    /// @throws work_failure
    void write(const ndjson_lines& lines, std::uint64_t count)
    {
        check();
        try {
            output_->write(lines.text());
            written_ = output_->sync();
            if (written_.lines != acknowledged_.lines + count)
                throw std::logic_error{"records were not written as lines"};
            check();
        } catch (const std::exception& e) {
            take_back();
            throw work_failure{"write_failed", e.what()};
        }
    }

    /// All that was written is acknowledged now.
    void acknowledge() noexcept { acknowledged_ = written_; }

    /// What was written since then goes.
    void take_back() noexcept
    {
        written_ = acknowledged_;
        try {
            output_->cut(acknowledged_);
        } catch (const std::exception&) {
            return; // it is cut off by whoever goes on with it or ends the job
        }
    }

    /// @throws work_failure if it is not where it was, or not as it was
    void check() const
    {
        if (!output_->is_in_place())
            throw work_failure{"write_failed",
                               file_ + " was removed, replaced or changed while it was in use"};
    }

    /// How many records are acknowledged in all outputs of a job that is done. What is behind them,
    /// written by a process that was killed then, is cut off.
    std::uint64_t trim_all(const fields& all) const
    {
        std::uint64_t result = 0;
        for (const auto& [name, value] : all)
            if (name.starts_with(prefix())) {
                const written there = written::read(value);
                result += there.lines;
                trim(name.substr(prefix().size()), there);
            }
        return result;
    }

private:
    static std::string prefix() { return "output "; }

    void trim(const std::string& place, const written& there) const
    {
        const std::string here = host_name() + ':';
        if (place == place_ || !place.starts_with(here))
            return;
        const std::string file = place.substr(here.size());
        std::error_code failed;
        if (std::filesystem::file_size(file, failed) <= there.bytes || failed)
            return;
        try {
            const output_file cut{file, there};
        } catch (const std::exception&) {
            return; // it is in use, or another file
        }
    }

    static std::string host_name()
    {
        char name[256] = {};
        return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
    }

    std::string file_;
    std::string place_ =
        host_name() + ':' +
        std::filesystem::weakly_canonical(std::filesystem::absolute(file_)).string();
    std::optional<output_file> output_;
    written written_; // and on the disk
    written acknowledged_;
    std::uint64_t before_ = 0;
    bool is_known_ = false;
};

#endif
