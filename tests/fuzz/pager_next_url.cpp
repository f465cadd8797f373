#include <headgate/paging/next_url.hpp>

#include "support.hpp"

#include <cstdint>
#include <string>

namespace {

using headgate::paging::next_url;

const fuzz::http::request& list()
{
    static const fuzz::http::request result{"http://me@api/list?a=b"};
    return result;
}

/// Any pages at all, with any URLs of the next.
class hostile : public fuzz::hostile_server {
public:
    hostile(fuzz::input& in, bool in_link) : hostile_server{in}, in_{in}, in_link_{in_link} {}

    /// Where a URL leads to is checked for each.
    static bool needs_request() noexcept { return true; }

    fuzz::answer make(const next_url::position& where, const fuzz::http::request*)
    {
        fuzz::answer result = make_page(3);
        if (is_honest() || result.status != 200)
            return result;
        nlohmann::json next = next_page(where);
        if (!in_link_ && !is_root())
            result.document["next"] = std::move(next);
        else if (next.is_string())
            result.headers.emplace_back("Link", next.get<std::string>());
        return result;
    }

private:
    nlohmann::json next_page(const next_url::position& where)
    {
        switch (in_.below(10)) {
        case 0:
        case 1:
        case 2:
        case 3:
            return wrap("?page=" + std::to_string(++last_));
        case 4:
            return wrap(where.name());
        case 5:
            return wrap(line());
        case 6:
            return wrap("//" + line() + "/list");
        case 7:
            return wrap("http://api/" + line());
        case 8:
            return line();
        default:
            return value();
        }
    }

    /// In JSON there is nothing but UTF-8.
    std::string line()
    {
        std::string result = in_.line();
        if (!in_link_)
            for (char& each : result)
                each = static_cast<char>(each & 0x7f);
        return result;
    }

    std::string wrap(std::string target) const
    {
        return in_link_ ? '<' + std::move(target) + ">; rel=next" : target;
    }

    fuzz::input& in_;
    bool in_link_;
    unsigned last_ = 0;
};

/// A list whose URLs are written in any of the ways that there are.
class honest {
public:
    honest(fuzz::input& in, bool in_link)
        : in_{in}, records_{in.byte() % 32U}, size_{1 + in.below(8)}, in_link_{in_link}
    {
    }

    static bool is_root() noexcept { return false; }
    static bool is_honest() noexcept { return false; }
    static bool needs_request() noexcept { return true; }
    std::uint64_t records() const noexcept { return records_; }

    fuzz::answer make(const next_url::position&, const fuzz::http::request* request)
    {
        fuzz::require(++pages_ < 500, "an honest list ends");
        const std::uint64_t begin = fuzz::number_in_query(*request, "from", 0);
        const std::uint64_t end = std::min(begin + size_, records_);
        fuzz::answer result = fuzz::make_span(begin, end);
        if (end == records_)
            return result;
        constexpr const char* places[] = {"?",         "/list?",          "list?",
                                          "./list?x&", "http://api/?",    "//api/list?",
                                          "/a/../?",   "http://API:80/?", "HTTP://api?"};
        const std::string url =
            places[in_.below(std::size(places))] + ("from=" + std::to_string(end));
        if (in_link_)
            result.headers.emplace_back("Link", "</>; rel=first, <" + url + ">; rel=\"next\"");
        else
            result.document["next"] = url;
        return result;
    }

private:
    fuzz::input& in_;
    std::uint64_t records_;
    std::uint64_t size_;
    bool in_link_;
    unsigned pages_ = 0;
};

} // namespace

/// Reads a list by the URLs of its pages, in the body or in Link: of a server that gives anything,
/// or of one that tells the truth, as the first byte says.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in{data, size};
    const bool is_hostile = in.below(3) < 2;
    const bool in_link = in.flag();
    next_url pager{list()};
    if (in_link)
        pager.in_link();
    if (is_hostile) {
        hostile server{in, in_link};
        fuzz::extraction{pager, server, in, list().url()}.run();
    } else {
        honest server{in, in_link};
        fuzz::extraction run{pager, server, in, list().url()};
        const auto end = run.run();
        fuzz::require_whole(server.records(), run.got(), end);
    }
    return 0;
}
