#ifndef EXTRACT_WORK_ITEM_HPP
#define EXTRACT_WORK_ITEM_HPP

#include "extract_arguments.hpp"
#include "extract_paging.hpp"

#include <headgate/checkpoint.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/offset.hpp>
#include <headgate/paging/page_number.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// The place in a list at which an item of shared work begins, and the one that it has come to.
/// What was spent of the limit Redis knows.
class item_checkpoint final : public headgate::checkpoint {
public:
    explicit item_checkpoint(std::string progress) : progress_{std::move(progress)} {}

    state load(std::chrono::nanoseconds) override
    {
        state result;
        result.progress = progress_;
        return result;
    }
    void save(const std::string& progress, const std::vector<std::string>&) override
    {
        progress_ = progress;
    }
    std::uint64_t spend(std::size_t) override { return 0; }
    void answered(std::uint64_t) override {}
    void pause(std::chrono::nanoseconds) override {}

    const std::string& progress() const noexcept { return progress_; }

private:
    std::string progress_;
};

/// A part of a list that one process reads at a time, as text in Redis.
///
/// A list that has a total and whose pages have numbers is cut into parts that are read side by
/// side; the first page is read before, for what it tells. Any other list is read part by part,
/// each of which leaves behind where the next one begins.
class list_part {
public:
    /// The first page.
    static list_part first()
    {
        list_part result;
        result.pages_ = 1;
        return result;
    }

    explicit list_part(const std::string& text)
    {
        const auto read = nlohmann::json::parse(text);
        pages_ = read.at("pages").get<std::uint64_t>();
        end_ = read.at("end").get<std::uint64_t>();
        progress_ = read.at("progress").get<std::string>();
    }

    std::string text() const
    {
        return nlohmann::json{{"pages", pages_}, {"end", end_}, {"progress", progress_}}.dump();
    }

    /// How many pages are to be read.
    std::uint64_t pages() const noexcept { return pages_; }

    /// The most that may be, of any part.
    static constexpr std::uint64_t most_pages = 16;

    /// What a run needs to begin there.
    const std::string& progress() const noexcept { return progress_; }

    /// What came of reading it.
    struct result {
        bool is_done = false;
        bool is_end = false; ///< of the list
        std::string reason;  ///< if it is not done
        std::vector<std::string> follow_ups;
    };

    result judge(const arguments& args, const headgate::outcome& how,
                 const std::string& progress) const
    {
        result found;
        using headgate::outcome_code;
        if (how.code() != outcome_code::complete && how.code() != outcome_code::page_cap) {
            found.reason = std::string{to_string(how.code())} + ": " + how.reason();
            return found;
        }
        const nlohmann::json pages =
            progress.empty() ? nlohmann::json{} : nlohmann::json::parse(progress).at("pages");
        if (end_ > 0) { // a page in its midst that came empty once must not be missing
            found.is_done = !pages.is_null() && headgate::paging::offset::read_to(pages) >= end_;
            found.reason =
                "count_mismatch: a part of the list ended before it should, " + how.reason();
            return found;
        }
        if (how.complete()) {
            found.is_done = found.is_end = true;
            return found;
        }
        found.is_done = progress != progress_;
        found.reason = "page_failed: no page came";
        if (found.is_done)
            found.follow_ups = next(args, progress, pages);
        return found;
    }

    /// What is left of it when a run has come so far and failed then. Nothing if that brought
    /// nothing, or ended amidst a page.
    std::vector<std::string> rest(const std::string& progress) const
    {
        if (progress == progress_)
            return {};
        if (end_ == 0)
            return {list_part{pages_, 0, progress}.text()};
        const auto left = missing(progress);
        if (left.empty())
            return {};
        return {list_part{left.size(), end_, progress}.text()};
    }

    /// Its pages one by one, so that one that cannot be had does not keep back the others. Nothing
    /// if it is one already, or has no end.
    std::vector<std::string> pieces(const arguments& args) const
    {
        if (end_ == 0 || pages_ <= 1)
            return {};
        std::vector<std::string> all;
        nlohmann::json whole = nlohmann::json::parse(progress_);
        const nlohmann::json pages = whole.at("pages");
        for (const std::uint64_t begin : missing(progress_)) {
            whole["pages"] = args.paginate == "offset"
                                 ? headgate::paging::offset::skip_to(pages, begin)
                                 : headgate::paging::page_number::skip_to(pages, begin);
            all.push_back(
                list_part{1, begin + pages.at("step").get<std::uint64_t>(), whole.dump()}.text());
        }
        return all;
    }

private:
    list_part() = default;
    list_part(std::uint64_t pages, std::uint64_t end, std::string progress)
        : pages_{pages}, end_{end}, progress_{std::move(progress)}
    {
    }

    /// Where those pages begin that a run which has come so far still has to read up to the end.
    /// None if it has come to one but not to its end.
    std::vector<std::uint64_t> missing(const std::string& progress) const
    {
        const nlohmann::json pages = nlohmann::json::parse(progress).at("pages");
        const auto step = pages.at("step").get<std::uint64_t>();
        std::vector<std::uint64_t> all;
        for (std::uint64_t begin =
                 headgate::paging::offset::read_to(nlohmann::json::parse(progress_).at("pages"));
             begin < end_; begin += step) {
            std::uint64_t had = 0;
            for (const auto& span : pages.at("spans")) {
                const auto from = std::max(span.at(0).get<std::uint64_t>(), begin);
                const auto to = std::min(span.at(1).get<std::uint64_t>(), begin + step);
                had += to - std::min(from, to);
            }
            if (had == 0)
                all.push_back(begin);
            else if (had < step)
                return {};
        }
        return all;
    }

    static std::vector<std::string> next(const arguments& args, const std::string& progress,
                                         const nlohmann::json& pages)
    {
        const bool is_offset = args.paginate == "offset";
        if (!is_offset && args.paginate != "page")
            return {list_part{4, 0, progress}.text()};
        if (!pages.contains("total"))
            return {list_part{most_pages, 0, progress}.text()};
        return is_offset ? cut<headgate::paging::offset>(progress, pages, false)
                         : cut<headgate::paging::page_number>(progress, pages, true);
    }

    /// The rest of a list with a total: parts that are full, and one that has to find the end.
    template <class Pager>
    static std::vector<std::string> cut(const std::string& progress, const nlohmann::json& pages,
                                        bool by_pages)
    {
        const auto step = pages.at("step").get<std::uint64_t>();
        const auto largest = pages.at("largest").get<std::uint64_t>();
        const auto records = pages.at("total").at("last").get<std::uint64_t>();
        const std::uint64_t total =
            by_pages ? records / std::max<std::uint64_t>(largest, 1) : records;
        std::uint64_t begin = Pager::read_to(pages);
        const std::uint64_t left = (total - std::min(total, begin)) / step;
        const std::uint64_t each = std::clamp<std::uint64_t>(left / 64, 4, most_pages);
        nlohmann::json whole = nlohmann::json::parse(progress);
        const auto part = [&](std::uint64_t count, std::uint64_t end) {
            whole["pages"] = Pager::skip_to(pages, begin);
            return list_part{count, end, whole.dump()}.text();
        };
        std::vector<std::string> result;
        std::size_t bytes = 0;
        for (; begin + each * step <= total && bytes < most_bytes; begin += each * step) {
            result.push_back(part(each, begin + each * step));
            bytes += result.back().size();
        }
        result.push_back(begin == Pager::read_to(pages) ? list_part{each, 0, progress}.text()
                                                        : part(each, 0));
        return result;
    }

    /// Redis takes them in one step. What is behind them is cut when it is reached.
    static constexpr std::size_t most_bytes = 4 << 20;

    std::uint64_t pages_ = 0;
    std::uint64_t end_ = 0; ///< up to which it has to come, in the units of the pager; 0 if unknown
    std::string progress_;
};

#endif
