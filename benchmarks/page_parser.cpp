// What a page of 50 records in 10 KB costs to parse, against nlohmann's own parser.
#include <headgate/json_parser.hpp>
#include <headgate/page_parser.hpp>
#ifdef HEADGATE_BENCHMARK_SIMDJSON
#include <headgate/simdjson/simdjson_parser.hpp>
#endif

#include <benchmark/benchmark.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

namespace {

std::string page()
{
    std::ifstream file{HEADGATE_PAGE};
    return {std::istreambuf_iterator<char>{file}, {}};
}

template <headgate::page_parser Parser>
void page_parser(benchmark::State& state)
{
    const std::string text = page();
    const nlohmann::json::json_pointer records{"/results"};
    const Parser parser;
    for (auto _ : state)
        benchmark::DoNotOptimize(parser.parse(text, records));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(page_parser<headgate::json_parser>)->Unit(benchmark::kMicrosecond);
#ifdef HEADGATE_BENCHMARK_SIMDJSON
BENCHMARK(page_parser<headgate::simdjson_parser>)->Unit(benchmark::kMicrosecond);
#endif

void nlohmann_parse(benchmark::State& state)
{
    const std::string text = page();
    for (auto _ : state)
        benchmark::DoNotOptimize(nlohmann::json::parse(text));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(nlohmann_parse)->Unit(benchmark::kMicrosecond);

} // namespace
