#include <headgate/paging/page_number.hpp>

#include "support.hpp"

#include <cstdint>

namespace {

using headgate::paging::page_number;

const fuzz::http::request& list()
{
    static const fuzz::http::request result{"http://me@api/list?a=b"};
    return result;
}

/// Any pages at all.
class hostile : public fuzz::hostile_server {
public:
    using hostile_server::hostile_server;

    fuzz::answer make(const page_number::position&, const fuzz::http::request*)
    {
        return make_page(3);
    }
};

/// A list that stays as it is; what the server gives behind its end is up to the input.
class honest {
public:
    explicit honest(fuzz::input& in)
        : records_{in.byte() % 32U},
          size_{1 + in.below(8)},
          tells_total_{in.flag()},
          behind_{in.below(6)}
    {
    }

    static bool is_root() noexcept { return false; }
    static bool is_honest() noexcept { return false; }
    static bool needs_request() noexcept { return true; }
    std::uint64_t records() const noexcept { return records_; }

    /// Whether each page is the same, so that nobody can tell the list's end from a loop.
    bool is_loop() const noexcept { return behind_ >= 4 && records_ <= size_ && !tells_total_; }

    fuzz::answer make(const page_number::position&, const fuzz::http::request* request)
    {
        fuzz::require(++pages_ < 500, "an honest list ends");
        const std::uint64_t number = fuzz::number_in_query(*request, "page", 0);
        fuzz::require(number > 0, "pages are counted from 1");
        std::uint64_t begin = (number - 1) * size_;
        if (begin >= records_ && begin > 0) {
            constexpr int statuses[] = {200, 404, 416, 204, 200, 200};
            if (const int status = statuses[behind_]; status != 200)
                return {.status = status};
            if (behind_ == 4)
                begin = 0;
            else if (behind_ == 5 && records_ > 0)
                begin = (records_ - 1) / size_ * size_;
        }
        fuzz::answer result = fuzz::make_span(begin, std::min(begin + size_, records_));
        if (tells_total_)
            result.document["count"] = records_;
        return result;
    }

private:
    std::uint64_t records_;
    std::uint64_t size_;
    bool tells_total_;
    std::size_t behind_;
    unsigned pages_ = 0;
};

void read_hostile(fuzz::input& in)
{
    page_number pager{list()};
    if (in.flag())
        pager.page_size(3);
    hostile server{in};
    fuzz::extraction{pager, server, in, list().url()}.run();
}

void read_honest(fuzz::input& in)
{
    page_number pager{list()};
    honest server{in};
    fuzz::extraction run{pager, server, in, list().url()};
    const auto end = run.run();
    if (!server.is_loop() || (end && end->code() == headgate::outcome_code::complete))
        fuzz::require_whole(server.records(), run.got(), end);
}

} // namespace

/// Reads a list by page number: of a server that gives anything, or of one that tells the truth, as
/// the first byte says.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in{data, size};
    if (in.below(3) < 2)
        read_hostile(in);
    else
        read_honest(in);
    return 0;
}
