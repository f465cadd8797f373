#include <headgate/paging/offset.hpp>

#include "support.hpp"

#include <cstdint>
#include <vector>

namespace {

using headgate::paging::offset;

const fuzz::http::request& list()
{
    static const fuzz::http::request result{"http://me@api/list?a=b"};
    return result;
}

/// Any pages at all.
class hostile : public fuzz::hostile_server {
public:
    using hostile_server::hostile_server;

    fuzz::answer make(const offset::position& where, const fuzz::http::request*)
    {
        return make_page(where.count() == 0 ? 3 : where.count());
    }
};

/// A list that stays as it is; how the server words its answers is up to the input.
class honest {
public:
    /// @param smallest  page that it gives
    honest(fuzz::input& in, std::uint64_t smallest)
        : in_{in},
          records_{in.byte() % 32U},
          smallest_{smallest},
          largest_{smallest + in.below(8)},
          tells_total_{in.flag()},
          shortens_{in.flag()},
          behind_{in.below(4)}
    {
    }

    static bool is_root() noexcept { return false; }
    static bool is_honest() noexcept { return false; }
    static bool needs_request() noexcept { return true; }
    std::uint64_t records() const noexcept { return records_; }

    fuzz::answer make(const offset::position&, const fuzz::http::request* request)
    {
        fuzz::require(++pages_ < 500, "an honest list ends");
        std::uint64_t begin = fuzz::number_in_query(*request, "offset", 0);
        std::uint64_t most =
            std::min<std::uint64_t>(fuzz::number_in_query(*request, "limit", 4), largest_);
        fuzz::require(most >= smallest_, "a page has room for a new record");
        if (shortens_ && in_.flag())
            most = smallest_ + in_.below(most + 1 - smallest_);
        if (begin >= records_ && begin > 0) {
            constexpr int statuses[] = {200, 404, 416, 204};
            if (const int status = statuses[behind_]; status != 200)
                return {.status = status};
        }
        const std::uint64_t end = std::min(begin + most, records_);
        fuzz::answer result = fuzz::make_span(begin, end);
        if (tells_total_)
            result.document["count"] = records_;
        return result;
    }

private:
    fuzz::input& in_;
    std::uint64_t records_;
    std::uint64_t smallest_;
    std::uint64_t largest_;
    bool tells_total_;
    bool shortens_;
    std::size_t behind_;
    unsigned pages_ = 0;
};

/// A list into which rows are put and from which rows are taken while it is read.
class changing {
public:
    explicit changing(fuzz::input& in) : in_{in}, tells_total_{in.flag()}
    {
        for (std::uint64_t id = 0, size = in.byte() % 32U; id < size; ++id)
            rows_.push_back(id);
        stable_ = rows_;
    }

    static bool is_root() noexcept { return false; }
    bool is_honest() const noexcept { return in_.is_empty(); }
    static bool needs_request() noexcept { return true; }

    /// The rows that were there all the time, in their order.
    const std::vector<std::uint64_t>& stable() const noexcept { return stable_; }

    fuzz::answer make(const offset::position&, const fuzz::http::request* request)
    {
        for (std::size_t changes = in_.below(16); changes >= 12; --changes)
            change();
        const std::uint64_t begin =
            std::min<std::uint64_t>(fuzz::number_in_query(*request, "offset", 0), rows_.size());
        const std::uint64_t end = std::min<std::uint64_t>(
            begin + fuzz::number_in_query(*request, "limit", 4), rows_.size());
        fuzz::answer result;
        result.document["results"] = nlohmann::json::array();
        for (std::uint64_t i = begin; i < end; ++i)
            result.records.push_back({{"id", rows_[i]}});
        if (tells_total_)
            result.document["count"] = rows_.size();
        return result;
    }

private:
    void change()
    {
        const auto at = static_cast<std::ptrdiff_t>(in_.below(rows_.size() + 1));
        if (in_.flag()) {
            rows_.insert(rows_.begin() + at, new_id_++);
        } else if (at < static_cast<std::ptrdiff_t>(rows_.size())) {
            std::erase(stable_, rows_[static_cast<std::size_t>(at)]);
            rows_.erase(rows_.begin() + at);
        }
    }

    fuzz::input& in_;
    bool tells_total_;
    std::vector<std::uint64_t> rows_;
    std::vector<std::uint64_t> stable_;
    std::uint64_t new_id_ = 1000;
};

offset make_pager(fuzz::input& in, bool has_seam)
{
    offset result{list()};
    if (const std::size_t records = in.below(8); records > 0)
        result.page_size(records);
    if (has_seam)
        result.seam_check("/id");
    return result;
}

void read_hostile(fuzz::input& in)
{
    offset pager = make_pager(in, in.flag());
    hostile server{in};
    fuzz::extraction{pager, server, in, list().url()}.run();
}

void read_honest(fuzz::input& in)
{
    const bool has_seam = in.flag();
    offset pager = make_pager(in, has_seam);
    // With a seam one record is that of the page before.
    honest server{in, has_seam ? 2U : 1U};
    fuzz::extraction run{pager, server, in, list().url()};
    const auto end = run.run();
    fuzz::require_whole(server.records(), run.got(), end);
}

void read_changing(fuzz::input& in)
{
    offset pager = make_pager(in, true);
    changing server{in};
    fuzz::extraction run{pager, server, in, list().url()};
    const auto end = run.run();
    fuzz::require(end.has_value(), "a list that changes does not fail");
    if (end->code() != headgate::outcome_code::complete)
        return;
    auto next = server.stable().begin();
    for (const nlohmann::json& each : run.got())
        if (next != server.stable().end() && each.at("id") == *next)
            ++next;
    fuzz::require(next == server.stable().end(), "no row that was there all the time is lost",
                  end->reason());
}

} // namespace

/// Reads a list by offset: of a server that gives anything, one that tells the truth, or one whose
/// list changes, as the first byte says.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in{data, size};
    switch (in.below(4)) {
    case 0:
    case 1:
        read_hostile(in);
        break;
    case 2:
        read_honest(in);
        break;
    default:
        read_changing(in);
    }
    return 0;
}
