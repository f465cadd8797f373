#ifndef EXTRACT_CHECKPOINT_HPP
#define EXTRACT_CHECKPOINT_HPP

#include "extract_arguments.hpp"
#include "extract_output.hpp"

#include <headgate/checkpoint.hpp>
#include <headgate/http/url.hpp>
#ifdef EXTRACT_WITH_SQLITE
#include <headgate/sqlite/checkpoint.hpp>
#endif

#include <nlohmann/json.hpp>

#include <memory>
#include <string>

/// Which job it is: what decides which records come, and in which pages. Not how fast, nor with
/// which credentials.
inline std::string job_name(const arguments& args)
{
    const auto text = [](const auto& value) {
        return value ? nlohmann::json(*value) : nlohmann::json();
    };
    return nlohmann::ordered_json{
        {"url", headgate::http::url{args.url}.without_credentials()},
        {"data", text(args.data)},
        {"paginate", args.paginate},
        {"page_size", args.page_size},
        {"records", args.records},
        {"total", text(args.total)},
        {"offset_param", args.offset_param},
        {"limit_param", args.limit_param},
        {"page_param", args.page_param},
        {"first_page", args.first_page},
        {"cursor_param", args.cursor_param},
        {"cursor_header", args.cursor_header},
        {"next", args.next},
        {"more", args.more},
        {"key", args.key},
        {"seam_check", args.seam_check},
        {"unique", args.unique},
    }
        .dump();
}

/// The checkpoint of a run, and of how much of its output it knows. None unless one is wanted.
class run_checkpoint {
public:
    /// @throws std::exception that says why it cannot be used
    explicit run_checkpoint(const arguments& args)
    {
        if (args.checkpoint.empty())
            return;
#ifdef EXTRACT_WITH_SQLITE
        file_ = std::make_shared<headgate::sqlite::checkpoint>(args.checkpoint, job_name(args));
        if (const std::string note = file_->note(); !note.empty()) {
            const auto known = nlohmann::json::parse(note);
            before_.bytes = known.at("bytes").get<std::uint64_t>();
            before_.lines = known.at("lines").get<std::uint64_t>();
        }
#else
        throw bad_usage{"--checkpoint is not in this build of extract, which has no SQLite"};
#endif
    }

    explicit operator bool() const noexcept
    {
        return file_ != nullptr;
    }
    std::shared_ptr<headgate::checkpoint> get() const
    {
        return file_;
    }

    /// The output, behind what a run before has written.
    ndjson_output open(const std::string& file) const
    {
        return {file, before_};
    }

    /// From now on what is saved includes how far the output has come.
    void follow(const ndjson_output& output)
    {
#ifdef EXTRACT_WITH_SQLITE
        file_->on_save([&output] {
            const written now = output.sync();
            return nlohmann::json{{"bytes", now.bytes}, {"lines", now.lines}}.dump();
        });
#else
        static_cast<void>(output);
#endif
    }

private:
#ifdef EXTRACT_WITH_SQLITE
    std::shared_ptr<headgate::sqlite::checkpoint> file_;
#else
    std::shared_ptr<headgate::checkpoint> file_;
#endif
    written before_;
};

#endif
