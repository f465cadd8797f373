#ifndef HEADGATE_DETAIL_ANY_PAGER_HPP
#define HEADGATE_DETAIL_ANY_PAGER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/origin_guard.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// A pager of any style, with everything that a pager may have. An extraction is much code, and is
/// compiled once for all styles.
class any_pager {
public:
    using position = std::shared_ptr<const void>; ///< to the pager's own

    any_pager() = default;
    any_pager(const any_pager&) = delete;
    any_pager& operator=(const any_pager&) = delete;
    virtual ~any_pager() = default;

    /// Null if there is none.
    virtual position next() = 0;
    virtual http::request request(const position& where) const = 0;
    virtual std::string describe(const position& where) const = 0;

    /// The same for the beginning of a message: "page at offset 200: ".
    std::string title(const position& where) const
    {
        const std::string name = describe(where);
        return (name.starts_with("page ") ? "" : "page at ") + name + ": ";
    }

    virtual paging::kept received(const position& where, const paging::page_content& content) = 0;
    virtual std::optional<paging::page_end> end() const = 0;

    /// Null if nothing is missing.
    virtual position rest(const position& where) = 0;
    virtual bool wanted(const position& where) = 0;
    virtual bool is_held_back(const position& where) const = 0;
    virtual bool may_come_again(const position& where) const = 0;
    virtual bool is_beyond(const position& where) const = 0;
    virtual bool refused(const position& where, const http::response& response) = 0;

    /// Whether the pager goes on without the page.
    virtual bool failed(const position& where, const paging::page_end& why) = 0;
    virtual std::optional<std::size_t> join(const position& where, const record_range& records) = 0;
    virtual void may_overrun(std::size_t requests, bool in_order) = 0;
    virtual std::optional<paging::page_end> reached() const = 0;
    virtual bool is_ordered() const = 0;
    virtual std::optional<std::uint64_t> expected() const = 0;
    virtual std::uint64_t rewinds() const = 0;

    /// Of which list a page is.
    virtual std::size_t list(const position& where) const = 0;

    /// For a run with a checkpoint, if `keeps_progress`.
    virtual bool keeps_progress() const = 0;
    virtual nlohmann::json receipt(const position& where) const = 0;
    virtual void merge(nlohmann::json& progress, const nlohmann::json& receipt) const = 0;
    virtual void resume(const nlohmann::json& progress) = 0;
    virtual bool is_delivered(const position& where) const = 0;

    /// What decides where a page's redirects and credentials may go; null if nothing does.
    virtual const origin_guard* guard(const position& where) const = 0;
};

/// One pager as any; what it has not does the usual thing.
template <paging::pager Pager>
class pager_model final : public any_pager {
    using own = typename Pager::position;

    static constexpr bool keeps = requires(Pager& p, const Pager& c, const own& where,
                                           nlohmann::json& progress)
    {
        progress = c.receipt(where);
        Pager::merge(progress, progress);
        p.resume(progress);
    };

public:
    explicit pager_model(Pager&& pager) : pager_{std::move(pager)} {}

    position next() override { return erased(pager_.next()); }
    http::request request(const position& where) const override
    {
        return pager_.request(of(where));
    }
    std::string describe(const position& where) const override
    {
        return pager_.describe(of(where));
    }
    paging::kept received(const position& where, const paging::page_content& content) override
    {
        return pager_.received(of(where), content);
    }
    std::optional<paging::page_end> end() const override { return pager_.end(); }

    position rest(const position& where) override
    {
        if constexpr (requires { pager_.rest(of(where)); })
            return erased(pager_.rest(of(where)));
        return nullptr;
    }

    bool wanted(const position& where) override
    {
        if constexpr (requires { pager_.wanted(of(where)); })
            return pager_.wanted(of(where));
        return true;
    }

    bool is_held_back(const position& where) const override
    {
        if constexpr (requires { pager_.is_held_back(of(where)); })
            return pager_.is_held_back(of(where));
        return false;
    }

    bool may_come_again(const position& where) const override
    {
        if constexpr (requires { pager_.may_come_again(of(where)); })
            return pager_.may_come_again(of(where));
        return false;
    }

    bool is_beyond(const position& where) const override
    {
        if constexpr (requires { pager_.is_beyond(of(where)); })
            return pager_.is_beyond(of(where));
        return false;
    }

    bool refused(const position& where, const http::response& response) override
    {
        if constexpr (requires { pager_.refused(of(where), response); })
            return pager_.refused(of(where), response);
        return false;
    }

    bool failed(const position& where, const paging::page_end& why) override
    {
        if constexpr (requires { pager_.failed(of(where), why); }) {
            pager_.failed(of(where), why);
            return true;
        }
        return false;
    }

    std::optional<std::size_t> join(const position& where, const record_range& records) override
    {
        if constexpr (requires { pager_.join(of(where), records); })
            return pager_.join(of(where), records);
        return 0;
    }

    void may_overrun(std::size_t requests, bool in_order) override
    {
        if constexpr (requires { pager_.may_overrun(requests, in_order); })
            pager_.may_overrun(requests, in_order);
    }

    std::optional<paging::page_end> reached() const override
    {
        if constexpr (requires { pager_.reached(); })
            return pager_.reached();
        return std::nullopt;
    }

    bool is_ordered() const override
    {
        if constexpr (requires { pager_.is_ordered(); })
            return pager_.is_ordered();
        return false;
    }

    std::optional<std::uint64_t> expected() const override
    {
        if constexpr (requires { pager_.expected(); })
            return pager_.expected();
        return std::nullopt;
    }

    std::uint64_t rewinds() const override
    {
        if constexpr (requires { pager_.rewinds(); })
            return pager_.rewinds();
        return 0;
    }

    std::size_t list(const position& where) const override
    {
        if constexpr (requires { pager_.list(of(where)); })
            return pager_.list(of(where));
        return 0;
    }

    bool keeps_progress() const override { return keeps; }

    nlohmann::json receipt(const position& where) const override
    {
        if constexpr (keeps)
            return pager_.receipt(of(where));
        return nullptr;
    }

    void merge(nlohmann::json& progress, const nlohmann::json& receipt) const override
    {
        if constexpr (keeps)
            Pager::merge(progress, receipt);
    }

    void resume(const nlohmann::json& progress) override
    {
        if constexpr (keeps)
            pager_.resume(progress);
    }

    bool is_delivered(const position& where) const override
    {
        if constexpr (requires { pager_.is_delivered(of(where)); })
            return pager_.is_delivered(of(where));
        return false;
    }

    const origin_guard* guard(const position& where) const override
    {
        if constexpr (requires { pager_.guard(of(where)); })
            return &pager_.guard(of(where));
        else if constexpr (requires { pager_.guard(); })
            return &pager_.guard();
        return nullptr;
    }

private:
    static position erased(std::optional<own>&& where)
    {
        return where ? std::make_shared<const own>(std::move(*where)) : nullptr;
    }
    static const own& of(const position& where) { return *static_cast<const own*>(where.get()); }

    Pager pager_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
