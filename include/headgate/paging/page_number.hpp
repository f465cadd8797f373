#ifndef HEADGATE_PAGING_PAGE_NUMBER_HPP
#define HEADGATE_PAGING_PAGE_NUMBER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/numbered_pager.hpp>
#include <headgate/detail/parameter.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/paging/pager.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::paging {

/// Paging by page number: `?page=3`, and `&limit=100` if a page size is set.
///
/// Pages are fetched side by side, also where the end is not known. What ends a list, and what
/// becomes of totals, is as for `offset`; a page that comes short is not taken for the end.
class page_number : public detail::numbered_pager {
public:
    /// Pages from the first on, counted from 0.
    class position {
    public:
        /// The page with that index.
        explicit position(std::uint64_t index) noexcept : index_{index} {}
        /// Its index; the first page has 0, whatever its number.
        std::uint64_t index() const noexcept { return index_; }

    private:
        std::uint64_t index_;
    };

    /// Pages of the list that `list` asks for; its method, headers and other parameters are kept.
    explicit page_number(http::request list) : numbered_pager{std::move(list)} { plan_.step(1); }

    /// How many records to ask for at once; unless set, the parameter is left out.
    /// @throws std::invalid_argument if 0.
    page_number& page_size(std::size_t records)
    {
        if (records == 0)
            throw std::invalid_argument{"headgate::paging::page_number: page size is 0"};
        page_size_ = records;
        return *this;
    }

    /// The names of the two parameters; "page" and "limit" unless set. A name that begins with a
    /// slash is a JSON Pointer into the request's JSON body.
    /// @throws std::invalid_argument if it begins with a slash and is not a JSON Pointer.
    page_number& page_param(const std::string& name)
    {
        page_param_ = detail::parameter{name};
        return *this;
    }
    /// As above, for how many records to ask for.
    page_number& limit_param(const std::string& name)
    {
        limit_param_ = detail::parameter{name};
        return *this;
    }

    /// The number of the first page; 1 unless set.
    page_number& first_page(std::uint64_t number) noexcept
    {
        first_ = number;
        return *this;
    }

    /// Where in the body the total stands, as a JSON Pointer (RFC 6901); "/count" unless set. A
    /// body without a whole number there has an unknown end.
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    page_number& total(const std::string& pointer)
    {
        total_pointer_ = detail::parse_json_pointer(pointer);
        return *this;
    }

    /// Of what a run has left that read the beginning of a list, what another one needs to go on at
    /// `begin` as if all before that had been read: for a list that several read together, each a
    /// part of it, that long by `extract_options::max_pages`.
    /// Nobody knows how many records stand on the pages before, so a total is of no use to it.
    /// @param progress  what `merge` has made
    /// @param begin     in pages
    static nlohmann::json skip_to(const nlohmann::json& progress, std::uint64_t begin)
    {
        const auto largest = progress.at("largest").get<std::uint64_t>();
        nlohmann::json result =
            detail::numbered_progress::skip_to(progress, begin, begin * largest);
        result.erase("total");
        return result;
    }

    /// @{
    /// For `extract`, as the concept `pager` describes it.
    std::optional<position> next()
    {
        const auto given = plan_.next();
        return given ? std::optional{position{given->begin}} : std::nullopt;
    }

    bool wanted(const position& where) { return plan_.wanted(span(where)); }
    bool is_held_back(const position& where) const { return plan_.is_held_back(span(where)); }
    bool may_come_again(const position& where) const { return plan_.may_come_again(span(where)); }

    http::request request(const position& where) const
    {
        http::request result{guard_.list()};
        page_param_.set(result, first_ + where.index());
        if (page_size_ > 0)
            limit_param_.set(result, page_size_);
        return result;
    }

    std::string describe(const position& where) const { return name()(where.index()); }
    bool is_beyond(const position& where) const { return plan_.is_beyond(span(where)); }

    bool refused(const position& where, const http::response& response)
    {
        if (!is_missing(span(where), response.status()))
            return false;
        plan_.done(where.index());
        return true;
    }

    void failed(const position& where, page_end why)
    {
        give_up(span(where), std::move(why));
        plan_.done(where.index());
    }

    kept received(const position& where, const page_content& content)
    {
        const std::uint64_t came = content.records();
        largest_ = std::max(largest_, came);
        read_total(content.document());
        if (total_ == 0U)
            plan_.total(0);
        else if (total_ && largest_ > 0)
            plan_.total(std::max(pages_of(*total_), more_));
        const bool fresh = takes_in(span(where), came > 0 ? 1 : 0, content, 0, came, name());
        plan_.done(where.index());
        received_ += fresh ? came : 0;
        mine_ = fresh ? came : 0;
        // Pages that come short or empty leave records for more pages than the total has planned.
        if (total_ && received_ < *total_ && plan_.total()) {
            if (plan_.end() >= *plan_.total())
                more_ = plan_.end() + 1;
            if (came == 0 && where.index() + 1 >= *plan_.total())
                more_ = std::max(more_, where.index() + 2);
            plan_.total(std::max(*plan_.total(), more_));
        }
        return fresh ? came : 0;
    }

    nlohmann::json receipt(const position& where) const
    {
        return receipt_for(where.index(), 1, mine_, last_taken());
    }

    void resume(const nlohmann::json& progress)
    {
        largest_ = progress.at("largest").get<std::uint64_t>();
        const auto told = told_before(progress);
        go_on_from(progress, told ? std::optional{pages_of(*told)} : std::nullopt);
    }

    /// The end, as far as what has come proves it.
    std::optional<page_end> reached() const { return reached_by(name()); }

    std::optional<page_end> end() const { return judge(name()); }
    /// @}

private:
    static detail::numbered_plan::span span(const position& where) noexcept
    {
        return {where.index(), 1};
    }

    std::uint64_t pages_of(std::uint64_t records) const noexcept
    {
        return records / largest_ + (records % largest_ > 0 ? 1 : 0);
    }

    /// Names a page by its number.
    struct namer {
        std::uint64_t first;

        std::string operator()(std::uint64_t index) const
        {
            return "page " + std::to_string(first + index);
        }
    };

    namer name() const noexcept { return {first_}; }

    std::uint64_t page_size_ = 0;
    std::uint64_t first_ = 1;
    detail::parameter page_param_{"page"};
    detail::parameter limit_param_{"limit"};
    std::uint64_t largest_ = 0; // page that came
    std::uint64_t mine_ = 0;    // records of the one that came last
    std::uint64_t more_ = 0;    // pages that there may be, whatever the total has planned
};

} // namespace HEADGATE_NAMESPACE::paging

#endif
