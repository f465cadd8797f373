#include <headgate/paging/cursor.hpp>

#include "support.hpp"

#include <cstdint>
#include <string>

namespace {

using headgate::paging::cursor;

const fuzz::http::request& list()
{
    static const fuzz::http::request result{"http://me@api/list?a=b"};
    return result;
}

/// Any pages at all, with any cursors.
class hostile : public fuzz::hostile_server {
public:
    using hostile_server::hostile_server;

    fuzz::answer make(const cursor::position& where, const fuzz::http::request*)
    {
        fuzz::answer result = make_page(3);
        if (is_honest() || result.status != 200)
            return result;
        nlohmann::json next = next_cursor(where);
        if (next.is_string())
            result.headers.emplace_back("X-Cursor", next.get<std::string>());
        if (!is_root()) {
            result.document["next"] = std::move(next);
            if (++answers_ % 8 == 0)
                result.document["more"] = value();
        }
        return result;
    }

private:
    nlohmann::json next_cursor(const cursor::position& where)
    {
        const nlohmann::json any = value();
        if (any == 0)
            return where.name();
        if (any.is_number_unsigned() && any < 128)
            return "c" + std::to_string(last_++);
        return any;
    }

    unsigned answers_ = 0;
    unsigned last_ = 0;
};

/// A list whose cursors are places in it and may expire.
class honest {
public:
    honest(fuzz::input& in, bool in_header, bool expires)
        : in_{in},
          records_{in.byte() % 32U},
          size_{1 + in.below(8)},
          in_header_{in_header},
          expires_{expires},
          is_number_{in.flag()}
    {
    }

    static bool is_root() noexcept { return false; }
    static bool is_honest() noexcept { return false; }
    static bool needs_request() noexcept { return true; }
    std::uint64_t records() const noexcept { return records_; }

    fuzz::answer make(const cursor::position&, const fuzz::http::request* request)
    {
        fuzz::require(++pages_ < 500, "an honest list ends");
        constexpr std::uint64_t none = 1'000'000;
        const std::uint64_t asked = fuzz::number_in_query(*request, "cursor", none);
        if (asked != none && expires_ && in_.below(4) == 1)
            return {.status = 410};
        // From the last record on, which comes again.
        const std::uint64_t begin =
            asked == none ? fuzz::number_in_query(*request, "since", 0) : asked - 1;
        const std::uint64_t end = std::min(begin + size_ + 1, records_);
        fuzz::answer result = fuzz::make_span(begin, end);
        if (asked != none)
            result.records.erase(result.records.begin());
        if (end == records_)
            return result;
        if (in_header_)
            result.headers.emplace_back("X-Cursor", std::to_string(end));
        else if (is_number_)
            result.document["next"] = end;
        else
            result.document["next"] = std::to_string(end);
        return result;
    }

private:
    fuzz::input& in_;
    std::uint64_t records_;
    std::uint64_t size_;
    bool in_header_;
    bool expires_;
    bool is_number_;
    unsigned pages_ = 0;
};

} // namespace

/// Reads a list by cursor: of a server that gives anything, or of one that tells the truth, as the
/// first byte says.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in{data, size};
    const bool is_hostile = in.below(3) < 2;
    const std::uint8_t options = in.byte();
    const bool in_header = (options & 1) != 0;
    const bool restarts = (options & 2) != 0;
    cursor pager{list()};
    if (in_header)
        pager.in_header("x-cursor");
    if (restarts)
        pager.restart_from("/id", "since");
    if ((options & 4) != 0)
        pager.more("/more");
    if ((options & 8) != 0)
        pager.page_size(3);
    if (is_hostile) {
        if ((options & 16) != 0)
            pager.cursor_param("/page/after");
        hostile server{in};
        fuzz::extraction{pager, server, in, list().url()}.run();
    } else {
        honest server{in, in_header, restarts};
        fuzz::extraction run{pager, server, in, list().url()};
        const auto end = run.run();
        // Twice in a row without a page between is not tried again.
        if (end && end->code() != headgate::outcome_code::cursor_expired)
            fuzz::require_whole(server.records(), run.got(), end);
    }
    return 0;
}
