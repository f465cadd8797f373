#ifndef HEADGATE_PAGING_OFFSET_HPP
#define HEADGATE_PAGING_OFFSET_HPP

#include <headgate/detail/json_pointer.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/url.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace headgate::paging {

/// Offset/limit paging: `?offset=200&limit=100`.
///
/// The first page is asked for alone, because it tells two things: how many records a page really
/// has, which may be fewer than were asked for, and, if the server says so, how many there are in
/// all. With a total the other pages are planned from it and fetched side by side. Without, one
/// page follows another until one is empty.
///
/// The offset moves on by the records that were received, never by those that were asked for. A
/// page that comes short before the end is followed by a request for the rest of it. A total plans
/// pages; a list that ends before it is reported as `outcome_code::count_mismatch`.
class offset {
public:
    /// A span of the list: `count` records from `begin` on; 0 if the page size is not known yet.
    class position {
    public:
        position(std::uint64_t begin, std::uint64_t count) noexcept : begin_{begin}, count_{count}
        {
        }

        std::uint64_t begin() const noexcept { return begin_; }
        std::uint64_t count() const noexcept { return count_; }

    private:
        std::uint64_t begin_;
        std::uint64_t count_;
    };

    /// Pages of the list that `list` asks for; its method, headers and other parameters are kept.
    explicit offset(http::request list) : list_{std::move(list)} {}

    /// How many records to ask for at once; unless set, the parameter is left out.
    /// @throws std::invalid_argument if 0.
    offset& page_size(std::size_t records)
    {
        if (records == 0)
            throw std::invalid_argument{"headgate::paging::offset: page size is 0"};
        page_size_ = records;
        return *this;
    }

    /// The names of the two parameters; "offset" and "limit" unless set.
    offset& offset_param(std::string name)
    {
        offset_param_ = std::move(name);
        return *this;
    }
    offset& limit_param(std::string name)
    {
        limit_param_ = std::move(name);
        return *this;
    }

    /// Where in the body the total stands, as a JSON Pointer (RFC 6901); "/count" unless set. A
    /// body without a whole number there has an unknown end.
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    offset& total(const std::string& pointer)
    {
        total_pointer_ = detail::parse_json_pointer(pointer);
        return *this;
    }

    std::optional<position> next()
    {
        if (!started_) {
            started_ = true;
            return send(0, page_size_);
        }
        if (step_ == 0)
            return std::nullopt;
        for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap) {
            if (gap->begin() >= known_end())
                continue;
            const position rest = *gap;
            gaps_.erase(gap);
            return send(rest.begin(), rest.count());
        }
        if (total_ ? planned_ < known_end() : outstanding_ == 0 && planned_ < ended_at_) {
            const std::uint64_t begin = planned_;
            planned_ += step_;
            return send(begin, step_);
        }
        return std::nullopt;
    }

    http::request request(const position& where) const
    {
        http::url url{list_.url()};
        url.set_query(offset_param_, std::to_string(where.begin()));
        if (page_size_ > 0)
            url.set_query(limit_param_, std::to_string(where.count()));
        http::request result{list_};
        result.url(std::move(url));
        return result;
    }

    std::string describe(const position& where) const
    {
        return "offset " + std::to_string(where.begin());
    }

    std::size_t received(const position& where, const page_content& content)
    {
        --outstanding_;
        if (const auto total = read_total(content.document()))
            total_ = total;
        const std::uint64_t came = content.records();
        if (came == 0) {
            ended_at_ = std::min(ended_at_, where.begin());
            return 0;
        }
        if (step_ == 0) {
            step_ = came;
            planned_ = received_ = came;
            return content.records();
        }
        // More than was asked for belongs to the pages behind.
        const std::uint64_t kept = std::min(came, where.count());
        received_ += kept;
        if (!total_)
            planned_ = where.begin() + kept;
        else if (kept < where.count())
            gaps_.emplace_back(where.begin() + kept, where.count() - kept);
        return static_cast<std::size_t>(kept);
    }

    std::optional<page_end> end() const
    {
        if (!started_ || outstanding_ > 0 || (step_ == 0 && ended_at_ > 0))
            return std::nullopt;
        if (!total_) {
            if (planned_ < ended_at_)
                return std::nullopt;
            return page_end{outcome_code::complete,
                            "empty page at offset " + std::to_string(ended_at_) + ", the end"};
        }
        if (planned_ < known_end() ||
            std::any_of(
                gaps_.begin(), gaps_.end(),
                [this](const position& gap) { return gap.begin() < known_end(); }))
            return std::nullopt;
        if (ended_at_ < *total_)
            return page_end{outcome_code::count_mismatch,
                            "the server tells of " + std::to_string(*total_) +
                                " records, but its page at offset " + std::to_string(ended_at_) +
                                " is empty; " + std::to_string(received_) + " received"};
        return page_end{outcome_code::complete,
                        "total of " + std::to_string(*total_) + " records reached"};
    }

    /// How many records the server says there are, as far as it has.
    std::optional<std::uint64_t> expected() const noexcept { return total_; }

private:
    static constexpr std::uint64_t largest_total = std::numeric_limits<std::int64_t>::max();

    position send(std::uint64_t begin, std::uint64_t count)
    {
        ++outstanding_;
        return position{begin, count};
    }

    std::uint64_t known_end() const noexcept { return std::min(total_.value_or(0), ended_at_); }

    std::optional<std::uint64_t> read_total(const nlohmann::json& document) const
    {
        if (!document.contains(total_pointer_))
            return std::nullopt;
        const nlohmann::json& value = document.at(total_pointer_);
        if (!value.is_number_unsigned())
            return std::nullopt;
        return std::min(value.get<std::uint64_t>(), largest_total);
    }

    http::request list_;
    std::uint64_t page_size_ = 0;
    std::string offset_param_ = "offset";
    std::string limit_param_ = "limit";
    nlohmann::json::json_pointer total_pointer_{"/count"};

    bool started_ = false;
    std::uint64_t step_ = 0;        // records in a page, as the first one had them
    std::uint64_t planned_ = 0;     // every page before this offset was asked for
    std::uint64_t received_ = 0;    // records kept
    std::uint64_t outstanding_ = 0; // pages asked for and not received yet
    std::uint64_t ended_at_ = std::numeric_limits<std::uint64_t>::max(); // the first empty page
    std::optional<std::uint64_t> total_;
    std::deque<position> gaps_; // what short pages left out
};

} // namespace headgate::paging

#endif
