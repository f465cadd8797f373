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

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

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
        std::error_code failed;
        if (!std::filesystem::exists(args.checkpoint, failed) && !failed)
            check_nothing_is_lost(args);
        file_ = std::make_shared<headgate::sqlite::checkpoint>(args.checkpoint, job_name(args));
        if (const std::string note = file_->note(); !note.empty()) {
            before_ = written::read(note);
            is_begun_ = true;
        } else {
            check_nothing_is_lost(args);
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

    /// From now on what is saved includes how far the output has come. That there is one is saved
    /// at once: it is this checkpoint's from now on.
    void follow(const ndjson_output& output)
    {
#ifdef EXTRACT_WITH_SQLITE
        file_->on_save([&output] { return output.sync().text(); });
        if (!is_begun_)
            file_->save("", {});
#else
        static_cast<void>(output);
#endif
    }

private:
#ifdef EXTRACT_WITH_SQLITE
    /// What is in an output that no checkpoint knows of would be written over: the checkpoint may
    /// have been removed, or its name be another.
    static void check_nothing_is_lost(const arguments& args)
    {
        std::error_code failed;
        if (std::filesystem::is_regular_file(args.output, failed) &&
            std::filesystem::file_size(args.output, failed) > 0)
            throw std::runtime_error{args.output + " is not empty, but checkpoint " +
                                     args.checkpoint +
                                     " knows nothing of it. To begin anew remove both"};
    }

    std::shared_ptr<headgate::sqlite::checkpoint> file_;
    bool is_begun_ = false; // it has an output
#else
    std::shared_ptr<headgate::checkpoint> file_;
#endif
    written before_;
};

#endif
