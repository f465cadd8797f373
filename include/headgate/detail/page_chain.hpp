#ifndef HEADGATE_DETAIL_PAGE_CHAIN_HPP
#define HEADGATE_DETAIL_PAGE_CHAIN_HPP

#include <headgate/detail/bounds.hpp>
#include <headgate/detail/chain_progress.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/exact_number.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/next_hint.hpp>
#include <headgate/detail/origin_guard.hpp>
#include <headgate/detail/parameter.hpp>
#include <headgate/detail/recent_digests.hpp>
#include <headgate/http/request.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// What all styles have in common in which each page names the next: one page at a time, the end
/// where none is named, and the loops that servers lead their clients into, as far as a name or a
/// page comes again as it was.
class page_chain {
public:
    /// A page: what the one before called it, empty for the first, and its place in the chain.
    class position {
    public:
        position(std::string name, std::uint64_t number) : name_{std::move(name)}, number_{number}
        {
        }

        const std::string& name() const noexcept { return name_; }
        std::uint64_t number() const noexcept { return number_; }

    private:
        std::string name_;
        std::uint64_t number_;
    };

    explicit page_chain(http::request list) : guard_{std::move(list)} {}

    std::optional<position> next()
    {
        return end_ ? std::nullopt : std::exchange(next_, std::nullopt);
    }

    std::string describe(const position& where) const
    {
        return "page " + std::to_string(where.number() + 1);
    }

    std::optional<paging::page_end> end() const { return end_; }
    std::optional<std::uint64_t> expected() const noexcept { return total_; }
    const origin_guard& guard() const noexcept { return guard_; }

    static void merge(nlohmann::json& progress, const nlohmann::json& receipt)
    {
        chain_progress::merge(progress, receipt);
    }

    /// Whether a page was done with in a run before, and is only asked for again to go on from it.
    bool is_delivered(const position& where) const { return delivered_.count(where.number()) > 0; }

protected:
    /// What is to be kept of the page that came last; null if it is asked for again.
    nlohmann::json chain_receipt(const position& where) const
    {
        if (next_ && next_->number() == where.number())
            return nullptr;
        nlohmann::json result{{"number", where.number()}};
        if (end_ && end_->code() != outcome_code::complete) {
            if (part_.second.empty() || part_.first != where.number())
                return nullptr;
            result["records"] = part_.second;
            return result; // another run may be luckier
        }
        nlohmann::json after{{"received", received_},
                             {"largest", largest_},
                             {"has_next", has_next_},
                             {"empty", empty_},
                             {"page", last_digest_}};
        if (next_)
            after["next"] = next_->name();
        if (end_)
            after["end"] = end_->reason();
        if (total_)
            after["total"] = *total_;
        if (fell_to_)
            after["fell_to"] = *fell_to_;
        result["after"] = std::move(after);
        return result;
    }

    /// Goes on where a run before stood.
    /// @return what was known behind the last page; null at the very beginning
    nlohmann::json go_on_behind(const nlohmann::json& progress)
    {
        delivered_ = chain_progress::delivered(progress);
        part_ = chain_progress::part(progress);
        const auto number = progress.at("number").get<std::uint64_t>();
        if (number == 0)
            return nullptr;
        const nlohmann::json& after = progress.at("after");
        const auto optional_number = [&after](const char* name) {
            return after.contains(name) ? std::optional{after.at(name).get<std::uint64_t>()}
                                        : std::nullopt;
        };
        received_ = after.at("received").get<std::uint64_t>();
        largest_ = after.at("largest").get<std::uint64_t>();
        has_next_ = after.at("has_next").get<bool>();
        empty_ = after.at("empty").get<std::uint64_t>();
        total_ = optional_number("total");
        fell_to_ = optional_number("fell_to");
        last_digest_ = after.at("page").get<std::size_t>();
        if (last_digest_ != 0)
            pages_.add(last_digest_, number - 1);
        next_.reset();
        if (after.contains("next")) {
            next_.emplace(after.at("next").get<std::string>(), number);
            names_.add(std::hash<std::string>{}(next_->name()), number);
        }
        if (after.contains("end"))
            end_ = paging::page_end{outcome_code::complete, after.at("end").get<std::string>()};
        return after;
    }

    /// Which of the records of a page that belong to it are to be delivered: not those that were in
    /// a run before, which it did not lead on. Remembers those that are if it does not this time.
    paging::kept delivered(const position& where, const paging::page_content& content,
                           paging::kept mine)
    {
        const bool is_part = !part_.second.empty() && part_.first == where.number();
        const bool leads_on = !end_ || end_->code() == outcome_code::complete;
        if (mine.count() == 0 || (leads_on && !is_part))
            return mine;
        std::vector<std::size_t> indices(content.records());
        std::iota(indices.begin(), indices.end(), std::size_t{0});
        mine.apply(indices);
        std::vector<std::size_t> left_out;
        std::set<std::size_t> all = is_part ? part_.second : std::set<std::size_t>{};
        auto next = indices.begin();
        for (std::size_t i = 0; i < content.records(); ++i) {
            const bool is_mine = next != indices.end() && *next == i;
            next += is_mine ? 1 : 0;
            const std::size_t digest = content.list()[i].digest();
            if (!is_mine || (is_part && part_.second.count(digest) > 0))
                left_out.push_back(i);
            else
                all.insert(digest);
        }
        part_ = {where.number(), std::move(all)};
        return {content.records(), std::move(left_out)};
    }

    /// Goes on to the page that this one names, or to the end. An answer without any content also
    /// names none, but may be a slip of the server: the page is asked for once more before that is
    /// believed.
    /// @param name  of the next page, empty if there is none
    /// @param why   there is none: "no next"
    /// @param mine  which of the records are new
    /// @return which of the records are new
    /// @throws bound_exceeded if the name is too long
    paging::kept go_on(const position& where, const paging::page_content& content,
                       const std::string& name, const std::string& why, paging::kept mine)
    {
        check_length(name);
        return go_on_unbounded(where, content, name, why, mine);
    }

    /// @throws bound_exceeded if a server has given the next page too long a name
    static void check_length(const std::string& name)
    {
        if (name.size() > longest_cursor)
            throw bound_exceeded{"the next page has a name of " + std::to_string(name.size()) +
                                 " bytes, more than " + std::to_string(longest_cursor)};
    }

    /// Goes on as `go_on` does, with a name that is not the server's alone.
    paging::kept go_on_unbounded(const position& where, const paging::page_content& content,
                                 const std::string& name, const std::string& why, paging::kept mine)
    {
        if (repeats(where, content, mine))
            return 0;
        if (content.document().is_null() && name.empty() && !was_asked_again_)
            return ask_again(where);
        was_asked_again_ = false;
        const std::size_t digest = content.digest();
        if (const auto told = unsigned_at(content.document(), total_pointer_))
            note_total(*told);
        empty_ = content.records() == 0 ? empty_ + 1 : 0;
        if (digest != 0)
            pages_.add(digest, where.number());
        last_digest_ = digest;
        received_ += mine.count();
        const std::size_t key = std::hash<std::string>{}(name);
        if (name.empty())
            finish_whole(why);
        else if (const auto seen = names_.find(key); seen || name == where.name())
            finish(outcome_code::loop, describe(where) + " names as the next one page " +
                                           std::to_string(seen.value_or(where.number()) + 1) +
                                           ", which was read already");
        else if (empty_ > most_empty_pages)
            finish(outcome_code::empty_run,
                   std::to_string(empty_) + " empty pages in a row, each with a next one");
        else
            next_ = position{name, where.number() + 1};
        names_.add(key, where.number() + 1);
        return mine;
    }

    /// Goes on as `go_on` does, or to the end, for a style that looks for the next page's name at
    /// one place on each page. A first page that has nothing there may only mean that the place is
    /// the wrong one: that is the end only if nothing else on it speaks of a next page, or of more
    /// records than came. A page that says that there is more is never the last.
    /// One without records that says nothing at all is asked for once more.
    /// @param place     such as "/next", for messages
    /// @param is_there  whether there is anything at that place, if only a null
    paging::kept go_on_from(const std::string& place, bool is_there, const position& where,
                            const paging::page_content& content, const std::string& name,
                            paging::kept mine)
    {
        has_next_ = has_next_ || is_there;
        const std::string why = "no " + place;
        if (!name.empty())
            return go_on(where, content, name, why, mine);
        const bool is_unknown = !has_next_ && where.number() == 0;
        if (is_unknown)
            if (const auto other = next_hint::elsewhere(content))
                return fail(where, content, why + " in the page, but there is " + *other, mine);
        const auto told = guesses_more_ ? next_hint::says_more(content) : std::nullopt;
        if (told && told->more)
            return fail(where, content, why + " in the page, but " + told->place + " is true",
                        mine);
        if (!is_there && !told && !was_asked_again_ && may_be_slip(content))
            return ask_again(where);
        const std::string reason = why + (has_next_ ? "" : " in any page");
        paging::kept result = go_on(where, content, name, reason, mine);
        if (is_unknown && guesses_total_ && !told)
            compare_total(content, reason);
        return result;
    }

    /// Whether a page with new records is a copy of another, which is the end as a loop.
    bool repeats(const position& where, const paging::page_content& content,
                 const paging::kept& mine)
    {
        const std::size_t digest = content.digest();
        const auto seen = digest == 0 ? std::nullopt : pages_.find(digest);
        if (!seen || mine.count() == 0 || !content.tells_records_apart())
            return false;
        finish(outcome_code::loop, describe(where) + " repeats page " + std::to_string(*seen + 1));
        return true;
    }

    /// Takes a page that names no next one in spite of what else is known of it, and ends there.
    paging::kept fail(const position& where, const paging::page_content& content,
                      const std::string& reason, paging::kept mine)
    {
        if (repeats(where, content, mine))
            return 0;
        stop_at(mine.count(), outcome_code::page_failed, describe(where) + ": " + reason);
        return mine;
    }

    /// Takes the records of a page that is the last for another reason than that it is the end.
    std::size_t stop_at(std::size_t records, outcome_code code, const std::string& reason)
    {
        received_ += records;
        finish(code, reason);
        return records;
    }

    void finish(outcome_code code, const std::string& reason)
    {
        end_ =
            paging::page_end{code, reason + "; " + std::to_string(received_) + " records received"};
    }

    /// Asks for a page once more: what came may have been a slip of the server.
    std::size_t ask_again(const position& where)
    {
        next_ = where;
        was_asked_again_ = true;
        return 0;
    }

    /// Begins again at a page by that name; what was read so far is kept.
    void restart_at(const std::string& name, std::uint64_t number)
    {
        next_ = position{name, number};
        names_ = {};
        has_restarted_ = true;
    }

    /// @throws std::invalid_argument that names the style, if 0.
    void limit_pages(std::size_t records, const std::string& param, const char* style)
    {
        if (records == 0)
            throw std::invalid_argument{std::string{"headgate::paging::"} + style +
                                        ": page size is 0"};
        page_size_ = records;
        limit_param_ = parameter{param};
    }

    /// The records a page is to have; 0 if that was left to the server.
    std::uint64_t records_a_page() const noexcept { return page_size_; }

    /// The request for the list with the page size.
    http::request list_request() const
    {
        http::request result{guard_.list()};
        if (page_size_ > 0)
            limit_param_.set(result, page_size_);
        return result;
    }

    /// A key of the last record as it is to be sent back, digit for digit.
    /// @throws std::runtime_error if the record has none
    static std::string last_key(const record_range& records,
                                const nlohmann::json::json_pointer& key)
    {
        const record last = records.back();
        return last_key(last, last.json(), key);
    }
    static std::string last_key(const record& last, const nlohmann::json& whole,
                                const nlohmann::json::json_pointer& key)
    {
        if (!whole.contains(key))
            throw std::runtime_error{"the last record has no " + key.to_string()};
        return exact_text(whole.at(key), last.text(), key);
    }

    /// @throws std::invalid_argument if it is not a JSON Pointer.
    void look_for_total(const std::string& pointer)
    {
        total_pointer_ = parse_json_pointer(pointer);
        guesses_total_ = false;
    }

    origin_guard guard_;
    bool guesses_more_ = true; // what tells of more is looked for by the usual names

private:
    /// Whether a page without a next one may be a slip of the server: it has no records, and does
    /// not tell of as many as have come.
    bool may_be_slip(const paging::page_content& content) const
    {
        if (content.records() > 0)
            return false;
        const auto told = unsigned_at(content.document(), total_pointer_);
        return !told || *told != received_ || *told < largest_;
    }

    /// Behind a restart the server may count only what is left: that says nothing new.
    void note_total(std::uint64_t told)
    {
        if (has_restarted_ && told <= largest_)
            return;
        total_ = told;
        if (told >= largest_) {
            largest_ = told;
            fell_to_.reset();
        } else {
            fell_to_ = std::min(told, fell_to_.value_or(told));
        }
    }

    /// Servers that count what is left, or a page, tell of less and less; then the largest total is
    /// reached all the same. Where it is not the rows are gone, or the server has lost them.
    void finish_whole(const std::string& why)
    {
        if (received_ >= largest_)
            end_ = paging::page_end{outcome_code::complete, why};
        else if (fell_to_)
            finish(outcome_code::list_changed,
                   why + "; the total fell from " + std::to_string(largest_) + " to " +
                       std::to_string(*fell_to_) + " while the list was read");
        else
            end_ = paging::page_end{outcome_code::count_mismatch,
                                    why + ", but the server tells of " + std::to_string(largest_) +
                                        " records; " + std::to_string(received_) + " received"};
    }

    /// A list that is complete in one page by all that was looked for is not if the page tells of
    /// more records by another of the usual names. Some count the pages there: one, also if empty.
    void compare_total(const paging::page_content& content, const std::string& why)
    {
        if (!end_ || end_->code() != outcome_code::complete)
            return;
        const std::uint64_t came = std::max<std::uint64_t>(received_, 1);
        if (const auto told = next_hint::total_above(content, came))
            finish(outcome_code::count_mismatch, why + ", but " + told->place + " tells of " +
                                                     std::to_string(told->records) + " records");
    }

    nlohmann::json::json_pointer total_pointer_{"/count"};
    bool guesses_total_ = true; // the caller has not said where it stands
    std::uint64_t page_size_ = 0;
    parameter limit_param_{"limit"};
    std::optional<position> next_ = position{{}, 0};
    std::optional<paging::page_end> end_;
    std::optional<std::uint64_t> total_;   // as it was told last,
    std::uint64_t largest_ = 0;            // the largest of all,
    std::optional<std::uint64_t> fell_to_; // and the least that came behind that
    bool has_restarted_ = false;
    std::uint64_t received_ = 0;
    std::uint64_t empty_ = 0;
    bool has_next_ = false; // any page had something where the next one is named
    bool was_asked_again_ = false;
    recent_digests names_;
    recent_digests pages_;
    std::size_t last_digest_ = 0;       // of the page that came last
    std::set<std::uint64_t> delivered_; // by a run before
    /// The page that did not lead on, and of its records the digests of those that were delivered.
    std::pair<std::uint64_t, std::set<std::size_t>> part_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
