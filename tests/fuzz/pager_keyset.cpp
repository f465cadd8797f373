#include <headgate/paging/keyset.hpp>

#include "support.hpp"

#include <cstdint>
#include <string>

namespace {

using headgate::paging::keyset;

const fuzz::http::request& list()
{
    static const fuzz::http::request result{"http://me@api/list?a=b"};
    return result;
}

/// Any pages at all.
class hostile : public fuzz::hostile_server {
public:
    using hostile_server::hostile_server;

    fuzz::answer make(const keyset::position&, const fuzz::http::request*) { return make_page(3); }
};

/// A sorted list in which a key may stand for several records. The server gives what lies behind a
/// key, or also the records that have it.
class honest {
public:
    explicit honest(fuzz::input& in)
        : records_{in.byte() % 32U},
          size_{1 + in.below(8)},
          gives_key_again_{in.flag()},
          same_{gives_key_again_ ? 1 + in.below(size_) : 1}
    {
    }

    static bool is_root() noexcept { return false; }
    static bool is_honest() noexcept { return false; }
    static bool needs_request() noexcept { return true; }
    std::uint64_t records() const noexcept { return records_; }
    std::uint64_t size() const noexcept { return size_; }

    /// Whether there is a page on which nothing else than one key has room.
    bool is_stuck() const noexcept
    {
        return gives_key_again_ && records_ > 0 && (same_ >= size_ || same_ >= records_);
    }

    fuzz::answer make(const keyset::position&, const fuzz::http::request* request)
    {
        fuzz::require(++pages_ < 500, "an honest list ends");
        constexpr std::uint64_t none = 1'000'000;
        const std::uint64_t since = fuzz::number_in_query(*request, "since", none);
        const std::uint64_t begin =
            since == none ? 0 : std::min(since * same_ + (gives_key_again_ ? 0 : 1), records_);
        fuzz::answer result = fuzz::make_span(begin, std::min(begin + size_, records_));
        for (nlohmann::json& each : result.records)
            each["key"] = each["id"].get<std::uint64_t>() / same_;
        return result;
    }

private:
    std::uint64_t records_;
    std::uint64_t size_;
    bool gives_key_again_;
    std::uint64_t same_;
    unsigned pages_ = 0;
};

void read_hostile(fuzz::input& in)
{
    keyset pager{list(), "/id", in.flag() ? "since" : "/where/since"};
    if (in.flag())
        pager.then_by("", "then");
    hostile server{in};
    fuzz::extraction{pager, server, in, list().url()}.run();
}

void read_honest(fuzz::input& in)
{
    keyset pager{list(), "/key", "since"};
    honest server{in};
    // Records that share the last key are known to be the end only where the page size is; without
    // it such a list may be told as a loop, but never as complete with something missing.
    const bool proves_its_end = in.flag();
    if (proves_its_end)
        pager.page_size(server.size());
    fuzz::extraction run{pager, server, in, list().url()};
    const auto end = run.run();
    const bool must_be_whole = proves_its_end && !server.is_stuck();
    if (must_be_whole || (end && end->code() == headgate::outcome_code::complete))
        fuzz::require_whole(server.records(), run.got(), end);
}

} // namespace

/// Reads a list by the keys of its records: of a server that gives anything, or of one that tells
/// the truth, as the first byte says.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in{data, size};
    if (in.below(3) < 2)
        read_hostile(in);
    else
        read_honest(in);
    return 0;
}
