#include <headgate/detail/list_end.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace {

using headgate::detail::list_end;
using kind = list_end::mark::kind;

/// Spans of ten.
class list {
public:
    explicit list(std::size_t in_flight, bool in_order = false)
    {
        end.by_rules().marks = 3;
        end.by_rules().in_flight = end.by_rules().most_behind = in_flight;
        end.by_rules().in_order = in_order;
    }

    void send(std::initializer_list<std::uint64_t> spans)
    {
        for (const std::uint64_t each : spans)
            end.sent(each);
    }

    void data(std::uint64_t begin) { settle(end.data(begin), begin); }
    void empty(std::uint64_t begin) { settle(end.note(begin, {kind::empty, 10}), begin); }
    void missing(std::uint64_t begin) { settle(end.note(begin, {kind::missing, 10, 404}), begin); }

    list_end end;
    std::vector<std::uint64_t> again{}, read_over{};

private:
    void settle(list_end::orders first, std::uint64_t begin)
    {
        for (const list_end::orders& each : {std::move(first), end.done(begin)}) {
            for (const auto& span : each.again)
                again.push_back(span.first);
            for (const auto& span : each.empty)
                read_over.push_back(span.first);
        }
    }
};

using spans = std::vector<std::uint64_t>;

} // namespace

TEST_CASE("marks in a row are the end once the first of them is there twice")
{
    list it{8};
    it.send({0, 10, 20, 30, 40});
    it.data(0);
    it.data(10);
    it.empty(30);
    it.empty(40);
    CHECK(it.end.from() == list_end::nowhere);
    it.empty(20);
    CHECK(it.again == spans{20});
    CHECK(it.end.from() == list_end::nowhere);
    CHECK(it.end.must_wait(50));
    CHECK_FALSE(it.end.is_in_flight_besides(50));
    it.send({20});
    CHECK(it.end.is_in_flight_besides(50));
    it.empty(20);
    CHECK(it.end.from() == 20);
    CHECK(it.again.size() == 1);
}

TEST_CASE("so many marks without records are the end, whatever comes between them")
{
    list it{8};
    it.send({0});
    it.data(0);
    std::uint64_t begin = 20; // what is unknown lies between them
    std::size_t marks = 0;
    for (; it.end.from() == list_end::nowhere && marks < 1000; begin += 20, ++marks) {
        it.send({begin});
        if (begin % 40 == 0)
            it.empty(begin);
        else
            it.missing(begin);
    }
    CHECK(marks < 200);
    CHECK(it.end.from() == 20);
    CHECK(it.end.is_mixed());
    it.send({begin});
    it.data(begin);
    CHECK(it.end.from() == list_end::nowhere);
}

TEST_CASE("a first mark that was a slip is not the end")
{
    list it{8};
    it.send({0, 10, 20, 30});
    it.data(0);
    it.missing(10);
    it.missing(20);
    it.missing(30);
    REQUIRE(it.again == spans{10});
    it.send({10});
    it.data(10);
    CHECK(it.end.from() == list_end::nowhere); // two are left
    CHECK_FALSE(it.end.must_wait(40));
    it.send({40});
    it.missing(40);
    CHECK(it.again == spans{10, 20});
    CHECK(it.end.from() == list_end::nowhere);
}

TEST_CASE("no more requests go behind the end than may, in whatever order answers come")
{
    list it{4};
    it.send({0, 10, 20, 30, 40});
    it.data(0);
    it.empty(10);
    CHECK(it.end.must_wait(50));
    it.empty(40);
    it.empty(20);
    it.empty(30);
    // It would be the fifth there.
    CHECK(it.again.empty());
    CHECK(it.end.from() == 10);
}

TEST_CASE("that the first mark is not asked for twice stays so when others are called off")
{
    list it{3};
    it.send({0, 10, 20, 30});
    it.data(0);
    it.empty(20);
    it.empty(30);
    it.empty(10);
    CHECK(it.end.from() == 10);
    it.end.sent(40);
    CHECK(it.end.from() == 10);
    CHECK(it.end.done(40).again.empty());
    CHECK(it.end.from() == 10);
}

TEST_CASE("a mark with records behind it is asked for again, and then believed")
{
    const bool is_empty = GENERATE(true, false);
    list it{8};
    it.send({0, 10, 20, 30});
    it.data(0);
    it.data(20);
    const auto mark = [&] { is_empty ? it.empty(10) : it.missing(10); };
    mark();
    CHECK(it.again == spans{10});
    CHECK(it.end.limit() == list_end::nowhere);
    it.send({10});
    mark();
    CHECK(it.again.size() == 1);
    CHECK(it.read_over == (is_empty ? spans{10} : spans{}));
    CHECK(it.end.limit() == (is_empty ? list_end::nowhere : 10));
    CHECK(it.end.hole().has_value() == !is_empty);
}

TEST_CASE("what was missing once is not empty the second time")
{
    list it{8};
    it.send({0, 10, 20});
    it.data(0);
    it.data(20);
    it.missing(10);
    it.send({10});
    it.empty(10);
    REQUIRE(it.end.hole());
    CHECK(it.end.hole()->sign.status == 404);
}

TEST_CASE("a total that is trusted makes one mark enough, and one behind it none")
{
    list it{8};
    it.end.total(20);
    it.send({0, 10, 20});
    it.data(0);
    it.data(10);
    SECTION("trusted")
    {
        it.end.by_rules().trusts_total = true;
        it.empty(20);
        CHECK(it.end.from() == 20);
    }
    SECTION("told by one page only")
    {
        it.empty(20);
        CHECK(it.end.from() == list_end::nowhere);
        it.send({30});
        it.empty(30);
        CHECK(it.end.from() == 20);
    }
    CHECK(it.again.empty());
}

TEST_CASE("empty spans before the total are no end until there are many")
{
    list it{8};
    it.end.total(1000);
    it.send({0});
    it.data(0);
    for (std::uint64_t at = 10; at < 100; at += 10) {
        it.send({at});
        it.empty(at);
    }
    CHECK(it.end.from() == list_end::nowhere);
    it.send({100});
    it.empty(100);
    CHECK(it.again == spans{10}); // at the first
    it.send({10});
    it.empty(10);
    CHECK(it.end.from() == 10);
}

TEST_CASE("what never proves an end is one where there is too much of it")
{
    list it{8};
    it.send({0});
    it.data(0);
    std::uint64_t at = 0;
    while (it.end.limit() == list_end::nowhere && at < 1000) {
        at += 10;
        it.send({at});
        if (at / 10 % 2 == 0)
            it.empty(at);
        else
            (void)it.end.note(at, {kind::copy, 10});
    }
    CHECK(it.end.is_mixed());
    CHECK(at <= 250);
}

TEST_CASE("of two answers to a mark behind which nothing is the second counts")
{
    list it{8};
    it.send({0, 10, 20, 30, 40});
    it.data(0);
    (void)it.end.note(10, {kind::copy, 10});
    it.empty(20);
    it.empty(30);
    it.empty(40);
    REQUIRE(it.again == spans{10, 20});
    it.send({10});
    it.empty(10);
    CHECK(it.end.limit() == 10);
    CHECK_FALSE(it.end.hole());
}

TEST_CASE("in order the end stays the end")
{
    list it{3, true};
    it.send({0, 10, 20, 30, 40});
    it.data(0);
    it.empty(10);
    it.empty(20);
    it.empty(30);
    CHECK(it.again.empty());
    CHECK(it.end.from() == 10);
    it.data(40);
    CHECK(it.end.from() == 10);
    CHECK(it.end.has_data_behind(10));
}

TEST_CASE(
    "in order the first mark is asked for again as soon as nothing in flight can tell what it is")
{
    list it{8, true};
    it.send({0, 10, 20, 30});
    it.data(0);
    it.empty(20);
    CHECK(it.end.is_open(20));
    it.empty(30);
    CHECK(it.again.empty());
    it.data(10);
    CHECK(it.again == spans{20});
    CHECK(it.end.is_mark(20));
    it.send({20});
    CHECK(it.end.is_open(30));
    it.empty(20);
    CHECK_FALSE(it.end.is_open(20));
    CHECK_FALSE(it.end.is_open(30));
    CHECK(it.again == spans{20});
    CHECK(it.end.limit() == list_end::nowhere);
}

TEST_CASE("in order a first mark is not asked for again where no request is left for it")
{
    list it{3, true};
    it.send({0, 10});
    it.data(0);
    it.empty(10);
    CHECK(it.again.empty());
}

TEST_CASE("a copy and an empty span do not prove the end together")
{
    list it{8};
    it.send({0, 10, 20, 30, 40, 50});
    it.data(0);
    list_end::mark copy{kind::copy, 10};
    CHECK(it.end.note(10, copy).again.empty());
    it.empty(20);
    it.empty(30);
    CHECK(it.end.from() == list_end::nowhere);
    it.empty(40);
    // Three empty ones do: the copy before them is asked for again, and the first of them.
    CHECK(it.again == spans{10, 20});
    CHECK(it.end.first_mark() == 20);
}

TEST_CASE("of spans that cannot be had the first counts")
{
    list it{8};
    CHECK(it.end.failed(30));
    CHECK_FALSE(it.end.failed(40));
    CHECK(it.end.failed(20));
    CHECK(it.end.limit() == 20);
}

TEST_CASE("fewer spans are given out at once while the end is not known")
{
    const bool in_order = GENERATE(true, false);
    list it{64, in_order};
    CHECK(it.end.most_at_once() == 63);
    it.end.by_rules().in_flight = 3;
    CHECK(it.end.most_at_once() == 2);
    it.end.by_rules().in_flight = 2;
    CHECK((it.end.most_at_once() == 2) == in_order);
    it.end.total(1);
    CHECK(it.end.most_at_once() > 64);
}

TEST_CASE("marks with something unknown between them are not in a row")
{
    list it{64};
    it.send({0, 10, 20, 50});
    it.data(0);
    it.empty(10);
    it.empty(20);
    it.empty(50);
    CHECK(it.end.in_a_row() == 2);
    CHECK(it.end.from() == list_end::nowhere);
    CHECK(it.again.empty());
}

TEST_CASE("many marks around one that is still asked for are no end of their own")
{
    list it{64};
    it.send({0, 20});
    it.data(0);
    for (std::uint64_t at = 10; at <= 300; at += at == 10 ? 20 : 10)
        it.empty(at);
    CHECK_FALSE(it.end.is_mixed());
    CHECK(it.end.limit() == list_end::nowhere);
    it.data(20);
    CHECK(it.end.first_mark() == 30);
}

TEST_CASE("where the total says that the list goes on, one late answer lets no more behind the end "
          "than a run of marks and those in flight")
{
    const std::uint64_t late = GENERATE(10u, 30u);
    list it{4};
    it.end.total(1'000'000);
    it.send({0, late});
    it.data(0);
    const auto empty_again = [&it] {
        REQUIRE(it.again == spans{10});
        it.send({10});
        it.empty(10);
    };
    std::uint64_t next = 10;
    for (; next < 1000 && !it.end.must_wait(next); next += 10) {
        if (next == late)
            continue;
        it.send({next});
        it.empty(next);
        if (next == 10)
            empty_again();
    }
    // Ten are the run, and one of four in flight was the last of it.
    const std::uint64_t sent = (next - 10) / 10;
    CHECK(sent ==
          (late == 10 ? 1U : 0U) + 10 + 3); // what is before the first mark is not behind it
    it.empty(late);
    if (late == 10)
        empty_again();
    CHECK(it.end.from() == 10);
}
