#ifndef HEADGATE_PAGING_OFFSET_HPP
#define HEADGATE_PAGING_OFFSET_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/numbered_pager.hpp>
#include <headgate/detail/page_tail.hpp>
#include <headgate/detail/parameter.hpp>
#include <headgate/detail/seam.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::paging {

/// Offset/limit paging: `?offset=200&limit=100`.
///
/// The first page is asked for alone, because it tells how many records a page really has, and, if
/// the server says so, how many there are in all. Then pages are fetched side by side, also where
/// the end is not known. The offset moves on by the records that were received, never by those that
/// were asked for: a page that comes short is followed by a request for its rest.
///
/// The end is an empty page, a status 404, 416 or 422, or the last or the first page once more,
/// with nothing behind it: two more must follow that say the same (one, if no more than three
/// requests may be in flight), unless a total says that this is the end. The first of them is asked
/// for twice, for which one of the requests that may be in flight is kept where the end is not
/// known: so no more go behind it than may be in flight, or three. One with records behind it is
/// asked for once more, too; if it is still no page, an empty one is read over, and another ends
/// the list there as `outcome_code::page_failed` or `loop`.
///
/// A total plans pages; a list that ends before it is reported as `outcome_code::count_mismatch`
/// (or `server_ceiling`, if the server refuses what lies behind, or `list_changed`, if the total
/// has fallen), and one that goes on behind it is read on. A server that gives one and the same
/// page whatever it is asked for, or that moves its last page to begin before the place asked for,
/// ends as `outcome_code::loop`. A page that cannot be had ends the list where it stands: the pages
/// before it are still read.
///
/// A server that leaves rows out after it has counted them gives a page that comes short its own
/// last records as its rest; these are not delivered again.
class offset : public detail::numbered_pager {
public:
    /// A span of the list: `count` records from `begin` on; 0 if the page size is not known yet.
    class position {
    public:
        /// A span of the list; `reading` counts how often it was begun anew.
        position(std::uint64_t begin, std::uint64_t count, unsigned reading = 0) noexcept
            : begin_{begin}, count_{count}, page_{begin}, reading_{reading}
        {
        }

        /// What is missing of this one, which came short.
        position rest(std::uint64_t got) const noexcept
        {
            position result{*this};
            result.begin_ += got;
            result.count_ -= got;
            return result;
        }

        /// The place of its first record, counted from 0.
        std::uint64_t begin() const noexcept { return begin_; }
        /// How many records it has; 0 if that is not known yet.
        std::uint64_t count() const noexcept { return count_; }

        /// Whether it is what was missing of a page that came short.
        bool is_rest() const noexcept { return begin_ != page_; }

        /// Where the page begins of which it is the rest, and how long that is.
        std::uint64_t page_begin() const noexcept { return page_; }
        /// How long that page is.
        std::uint64_t page_count() const noexcept { return begin_ - page_ + count_; }

        /// Which reading of the list it belongs to; see `seam_check`.
        unsigned reading() const noexcept { return reading_; }

    private:
        std::uint64_t begin_;
        std::uint64_t count_;
        std::uint64_t page_;
        unsigned reading_;
    };

    /// Pages of the list that `list` asks for; its method, headers, other parameters and body are
    /// kept.
    explicit offset(http::request list) : numbered_pager{std::move(list)} {}

    /// How many records to ask for at once; unless set, the parameter is left out.
    /// @throws std::invalid_argument if 0 or more than 2^32.
    offset& page_size(std::size_t records)
    {
        if (records == 0 || records > std::numeric_limits<std::uint32_t>::max())
            throw std::invalid_argument{"headgate::paging::offset: page size is " +
                                        std::to_string(records)};
        page_size_ = records;
        set_step();
        return *this;
    }

    /// The names of the two parameters; "offset" and "limit" unless set. A name that begins with a
    /// slash is a JSON Pointer into the request's JSON body.
    /// @throws std::invalid_argument if it begins with a slash and is not a JSON Pointer.
    offset& offset_param(const std::string& name)
    {
        offset_param_ = detail::parameter{name};
        return *this;
    }
    /// As above, for how many records to ask for.
    offset& limit_param(const std::string& name)
    {
        limit_param_ = detail::parameter{name};
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

    /// For lists that change while they are read: each page begins with the last record of the one
    /// before it, and `key`, a JSON Pointer into a record, tells whether it still does. Rows that
    /// were put in shift others onto the next page, which are not delivered again. Rows that were
    /// taken out pull others onto the page before, which is then read again; a list that changes
    /// too much for that ends as `outcome_code::list_changed`. Pages are delivered in order. The
    /// server must give at least two records a page.
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    offset& seam_check(const std::string& key)
    {
        seam_.emplace(detail::parse_json_pointer(key));
        seams_are_checked_ = true;
        plan_.rules().asks_again = false; // what does not follow is read again anyway
        set_step();
        return *this;
    }

    /// How often the list was read again from an earlier place because rows had moved.
    std::uint64_t rewinds() const noexcept { return seam_ ? seam_->rewinds() : 0; }

    /// Of what a run has left that read the beginning of a list, what another one needs to go on at
    /// `begin` as if all before that had been read: for a list that several read together, each a
    /// part of it, that long by `extract_options::max_pages`.
    /// @param progress  what `merge` has made
    /// @param begin     in records
    static nlohmann::json skip_to(const nlohmann::json& progress, std::uint64_t begin)
    {
        return detail::numbered_progress::skip_to(progress, begin, begin);
    }

    /// @{
    /// For `extract`, as the concept `pager` describes it.
    std::optional<position> next()
    {
        const auto given = plan_.next();
        return given ? std::optional{position{given->begin, given->count, reading()}}
                     : std::nullopt;
    }

    bool wanted(const position& where)
    {
        return where.reading() == reading() && plan_.wanted(span(where));
    }

    bool is_held_back(const position& where) const
    {
        return where.reading() == reading() && plan_.is_held_back(span(where));
    }

    bool may_come_again(const position& where) const { return plan_.may_come_again(span(where)); }

    http::request request(const position& where) const
    {
        http::request result{guard_.list()};
        offset_param_.set(result, where.begin() - overlap(where));
        if (page_size_ > 0)
            // Always the same, so that a page that comes again is the same. In a page with less to
            // come what is too much is dropped.
            limit_param_.set(result, seam_ ? std::max<std::uint64_t>(page_size_, 2) : plan_.step());
        return result;
    }

    std::string describe(const position& where) const { return name(where.begin()); }

    bool is_beyond(const position& where) const
    {
        return where.reading() != reading() || plan_.is_beyond(span(where));
    }

    bool refused(const position& where, const http::response& response)
    {
        if (where.reading() != reading())
            return true;
        if (!is_missing(span(where), response.status()))
            return false;
        settle(where);
        return true;
    }

    void failed(const position& where, page_end why)
    {
        if (where.reading() != reading())
            return;
        give_up(span(where), std::move(why));
        settle(where);
    }

    kept received(const position& where, const page_content& content)
    {
        if (where.reading() != reading())
            return 0;
        read_total(content.document());
        if (total_)
            plan_.total(*total_);
        const std::uint64_t shared = std::min<std::uint64_t>(overlap(where), content.records());
        const std::uint64_t came = content.records() - shared;
        // More than was asked for belongs to the pages behind.
        const std::uint64_t mine = where.count() == 0 ? came : std::min(came, where.count());
        if (is_filtered(where, content, mine) ||
            !takes_in(span(where), mine, content, shared, mine, name)) {
            const std::uint64_t moved = plan_.taken_back() ? mine : 0;
            note_receipt(where, leaves_out_ ? where.page_count() : so_far(where) + moved, 0);
            if (!seam_)
                done(where);
            return 0;
        }
        if (where.is_rest() && shared > 0 &&
            seam_->key_of(content.list().front()) != tail_of(where)) {
            give_up(span(where), changed(where.begin()));
            return 0;
        }
        if (seam_ && where.count() == 0 && mine > 1)
            plan_.learn_step(mine - 1, mine);
        const std::uint64_t end = where.begin() + mine;
        note_receipt(where, leaves_out_ ? std::max(where.page_count(), mine) : so_far(where) + mine,
                     mine);
        bool is_short = mine > 0 && mine < where.count() && !leaves_out_;
        if (plan_.is_at_first() && mine > 0 && (is_short || where.is_rest())) {
            // Twice the same, and less than was asked for: that is the server's own page size.
            if (where.is_rest() && content.records() == first_size_) {
                plan_.learn_step(content.records() - shared, end);
                is_short = false;
            }
            first_size_ = content.records();
        }
        if (is_short) {
            if (seam_)
                tails_[end] = seam_->key_of(content.list().back());
            else {
                detail::add_digests(parts_[where.page_begin()].digests, content.list());
                parts_[where.page_begin()].known = last_taken();
            }
            rests_.insert_or_assign(where.begin(), where.rest(mine));
        } else if (!seam_) {
            if (leaves_out_ && mine > 0)
                plan_.pass_over(span(where));
            done(where);
        }
        received_ += seam_ ? 0 : mine;
        for (std::uint64_t i = 0; i < mine && !left_.empty(); ++i)
            left_.erase(content.list()[static_cast<std::size_t>(shared + i)].digest());
        came_as_rest_ += !seam_ && where.is_rest() ? mine : 0;
        return kept{where.is_rest() ? shared : 0, mine + (where.is_rest() ? 0 : shared)};
    }

    std::optional<position> rest(const position& where)
    {
        if (where.reading() != reading())
            return std::nullopt;
        const auto found = rests_.find(where.begin());
        if (found == rests_.end())
            return std::nullopt;
        const position result = found->second;
        rests_.erase(found);
        return result;
    }

    bool is_ordered() const noexcept { return seam_.has_value(); }

    std::optional<std::size_t> join(const position& where, const record_range& records)
    {
        if (!seam_)
            return 0;
        if (where.reading() != reading())
            return records.size();
        plan_.done(where.page_begin());
        const detail::seam::verdict found =
            seam_->join(where.page_begin(), where.page_count(), plan_.step(), records);
        if (found.again_from) {
            plan_.restart(*found.again_from);
            tails_.clear();
            rests_.clear();
            return std::nullopt;
        }
        if (seam_->is_lost())
            give_up(span(where), changed(seam_->lost_at()));
        received_ += records.size() - found.repeated;
        // All its parts together share one record with the page before it, if there is one.
        const std::uint64_t shared = where.page_begin() > 0 ? 1 : 0;
        receipt_units_ = records.size() - std::min<std::uint64_t>(shared, records.size());
        receipt_records_ = records.size() - found.repeated;
        return found.repeated;
    }

    nlohmann::json receipt(const position& where) const
    {
        if (!seam_)
            return receipt_for(where.page_begin(), receipt_units_, receipt_records_,
                               receipt_known_ ? *receipt_known_ : last_taken());
        nlohmann::json result = receipt_for(where.page_begin(), receipt_units_, receipt_records_,
                                            {where.page_begin(), 0, {}});
        if (!result.is_null())
            result["keys"] = seam_->keys();
        return result;
    }

    void resume(const nlohmann::json& progress)
    {
        go_on_from(progress, told_before(progress));
        if (seam_)
            seam_->resume(progress.at("keys").get<std::vector<std::string>>());
    }

    /// The end, as far as what has come proves it.
    std::optional<page_end> reached() const { return reached_by(name); }

    std::optional<page_end> end() const
    {
        const std::optional<page_end> result = judge(name);
        if (result && !left_.empty() && result->code() == outcome_code::complete)
            return page_end{outcome_code::list_changed,
                            result->reason() +
                                "; but of the rest of a page, which began with records of its "
                                "own, " +
                                std::to_string(left_.size()) +
                                " records were left out that came with no other page"};
        if (result && leaves_out_ && came_as_rest_ > 0 && result->code() == outcome_code::complete)
            return page_end{
                outcome_code::list_changed,
                result->reason() +
                    "; but the server leaves rows out of pages that it has counted, "
                    "and of " +
                    std::to_string(came_as_rest_) +
                    " records that came as the rest of a page some may have come twice"};
        if (result && seam_ && (seam_->is_lost() || seam_->is_searching()))
            return changed(seam_->lost_at());
        // Where the record should be that a page shares with the one before it.
        if (result && seam_ && is_end_by(mark::missing) && result->code() == outcome_code::complete)
            return page_end{outcome_code::list_changed,
                            result->reason() + ", where the last record was"};
        // A page that comes again is the end of a list that stands still. In one that moves it may
        // be the rows that have come there, and the rest is behind them.
        if (result && seam_ && is_end_by(mark::copy) && plan_.ending().spans() > 1 &&
            (result->code() == outcome_code::complete || result->code() == outcome_code::loop))
            return page_end{outcome_code::list_changed,
                            result->reason() + ", or the list changed while it was read"};
        return result;
    }
    /// @}

private:
    static detail::numbered_plan::span span(const position& where) noexcept
    {
        return {where.begin(), where.count()};
    }

    using mark = detail::list_end::mark::kind;

    bool is_end_by(mark what) const
    {
        const detail::list_end& found = plan_.ending();
        const auto place = found.hole() ? found.hole() : found.ended();
        return place && place->sign.what == what;
    }

    static std::string name(std::uint64_t begin) { return "offset " + std::to_string(begin); }

    page_end changed(std::uint64_t at) const
    {
        return {outcome_code::list_changed,
                "the list changed too much while it was read: the records before " + name(at) +
                    " were not found again; " + std::to_string(received_) + " received"};
    }

    std::string tail_of(const position& where)
    {
        const auto found = tails_.extract(where.begin());
        return found ? std::move(found.mapped()) : std::string{};
    }

    /// With the record that it shares with the page before, a page is as large as was asked for.
    void set_step()
    {
        plan_.step(seam_ && page_size_ > 1 ? page_size_ - 1 : page_size_);
        plan_.more_at_first(seam_ ? 1 : 0);
    }

    /// Whether the rest of a page that came short begins with its own last records: a server that
    /// leaves rows out after it has counted them has no more there, and what follows belongs to the
    /// page behind.
    bool is_filtered(const position& where, const page_content& content, std::uint64_t mine)
    {
        const auto part = parts_.find(where.page_begin());
        if (!where.is_rest() || part == parts_.end() || plan_.knows(content.digest()) ||
            !content.tells_records_apart())
            return false;
        std::vector<std::size_t> rest;
        detail::add_digests(rest, content.list());
        const std::size_t repeated =
            detail::overlap(part->second.digests, rest, static_cast<std::size_t>(mine));
        if (repeated == 0)
            return false;
        plan_.remember(content.digest(), where.begin());
        plan_.pass_over(span(where));
        // They belong to the page behind, which will show it if it is still to come.
        if (!plan_.has_come(where.page_begin() + where.page_count()))
            for (std::size_t i = repeated; i < mine; ++i)
                left_.insert(rest[i]);
        return leaves_out_ = true;
    }

    /// How much of a page came before that part of it.
    static std::uint64_t so_far(const position& where) noexcept
    {
        return where.begin() - where.page_begin();
    }

    /// What came of a page, all its parts together; with a seam check `join` knows.
    void note_receipt(const position& where, std::uint64_t units, std::uint64_t records)
    {
        const auto part = parts_.find(where.page_begin());
        const bool is_rest = where.is_rest() && part != parts_.end();
        receipt_units_ = units;
        receipt_records_ = records + (is_rest ? part->second.digests.size() : 0);
        receipt_known_.reset();
        if (is_rest && records == 0)
            receipt_known_ = part->second.known;
    }

    /// A page that brought nothing is done with, unless it is the rest of one that is to be joined.
    void settle(const position& where)
    {
        if (!seam_ || !where.is_rest())
            done(where);
    }

    void done(const position& where)
    {
        parts_.erase(where.page_begin());
        plan_.done(where.page_begin(), where.is_rest());
    }

    /// How many records of the page before it a page begins with.
    std::uint64_t overlap(const position& where) const noexcept
    {
        return seam_ && where.begin() > 0 ? 1 : 0;
    }

    unsigned reading() const noexcept
    {
        return seam_ ? static_cast<unsigned>(seam_->rewinds()) : 0;
    }

    std::uint64_t page_size_ = 0;
    detail::parameter offset_param_{"offset"};
    detail::parameter limit_param_{"limit"};
    std::optional<detail::seam> seam_;
    std::map<std::uint64_t, std::string> tails_; // the last keys of pages that came short
    std::size_t first_size_ = 0;                 // of the page before, while they come short
    std::map<std::uint64_t, position> rests_;    // of pages that came short
    /// What came of those.
    struct page_part {
        std::vector<std::size_t> digests;
        detail::numbered_progress::known_page known;
    };
    std::map<std::uint64_t, page_part> parts_;
    std::unordered_set<std::size_t> left_; // digests of records that belong to other pages
    bool leaves_out_ = false;              // the server: rows, after it has counted them
    std::uint64_t came_as_rest_ = 0;       // records
    std::uint64_t receipt_units_ = 0;      // of the page that came last
    std::uint64_t receipt_records_ = 0;
    std::optional<detail::numbered_progress::known_page>
        receipt_known_; // if not as it was taken in
};

} // namespace HEADGATE_NAMESPACE::paging

#endif
