#include <headgate/paging/keyset.hpp>

#include "support.hpp"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

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

/// Keys as servers have them. Those that end in the same number are the same to the server.
nlohmann::json make_key(unsigned kind, std::uint64_t key, bool is_other)
{
    const std::string digits = std::to_string(10 + key);
    switch (kind) {
    case 1:
        return 10.5 + static_cast<double>(key);
    case 2:
        return digits;
    case 3:
        return "2024-01-" + digits;
    case 4: // in any case
        return (is_other ? "K" : "k") + digits;
    case 5: // of any type
        return is_other ? nlohmann::json(10 + key) : nlohmann::json(digits);
    default:
        return 10 + key;
    }
}

/// A list in which a key may stand for several records. It rises, and the server gives what lies
/// behind a key, or also the records that have it; or it is turned: it falls, and the server gives
/// what is greater all the same.
class honest {
public:
    explicit honest(fuzz::input& in)
        : records_{in.byte() % 32U},
          size_{1 + in.below(8)},
          gives_key_again_{in.flag()},
          same_{gives_key_again_ ? 1 + in.below(size_) : 1},
          kind_{static_cast<unsigned>(in.below(6))},
          is_turned_{in.flag()},
          others_{in.byte()}
    {
    }

    static bool is_root() noexcept { return false; }
    static bool is_honest() noexcept { return false; }
    static bool needs_request() noexcept { return true; }
    std::uint64_t records() const noexcept { return records_; }
    std::uint64_t size() const noexcept { return size_; }
    bool is_turned() const noexcept { return is_turned_; }

    /// Whether the first of all pages looks as that of a list of one page does.
    bool looks_whole() const noexcept { return is_turned_ && size_ == 1; }

    /// Whether there is a page on which nothing else than one key has room.
    bool is_stuck() const noexcept
    {
        return gives_key_again_ && records_ > 0 && (same_ >= size_ || same_ >= records_);
    }

    fuzz::answer make(const keyset::position&, const fuzz::http::request* request)
    {
        fuzz::require(++pages_ < 500, "an honest list ends");
        fuzz::answer result;
        result.document["results"] = nlohmann::json::array();
        const auto since = asked_for(request->url().query());
        for (std::uint64_t i = 0; i < records_ && result.records.size() < size_; ++i) {
            const std::uint64_t id = is_turned_ ? records_ - 1 - i : i;
            const std::uint64_t key = id / same_;
            if (!since || key > *since || (gives_key_again_ && key == *since))
                result.records.push_back(
                    {{"id", id}, {"key", make_key(kind_, key, (others_ >> (id % 8) & 1U) != 0)}});
        }
        return result;
    }

private:
    static std::optional<std::uint64_t> asked_for(const std::string& query)
    {
        const auto found = query.find("since=");
        if (found == std::string::npos)
            return std::nullopt;
        std::string text = query.substr(found + 6);
        if (const auto front = text.find("2024-01-"); front == 0)
            text.erase(0, 8);
        return std::strtoull(text.c_str() + text.find_first_of("0123456789"), nullptr, 10) - 10;
    }

    std::uint64_t records_;
    std::uint64_t size_;
    bool gives_key_again_;
    std::uint64_t same_;
    unsigned kind_;
    bool is_turned_;
    unsigned others_;
    unsigned pages_ = 0;
};

void require_once(const std::vector<nlohmann::json>& got)
{
    std::vector<bool> seen(32);
    for (const nlohmann::json& each : got) {
        const auto id = each.at("id").get<std::size_t>();
        fuzz::require(!seen.at(id), "no record is delivered twice");
        seen[id] = true;
    }
}

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
    const bool must_be_whole = proves_its_end && !server.is_stuck() && !server.is_turned();
    if (server.looks_whole())
        return;
    require_once(run.got());
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
