#ifndef HEADGATE_REDIS_DETAIL_WORK_SCRIPTS_HPP
#define HEADGATE_REDIS_DETAIL_WORK_SCRIPTS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/redis/detail/work_prelude.hpp>
#include <headgate/redis/script.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

/// @file
/// The Lua scripts of shared work. Each is one step of which all or nothing happens; those that
/// would do harm if taken twice know when they were.

namespace HEADGATE_NAMESPACE::detail {

/// The steps, one for each script.
enum class work_step {
    seed,
    push,
    close,
    take,
    acknowledge,
    update,
    give_back,
    beat,
    statistics,
    fields,
    dead,
};

/// Arguments: the job's text, whether to close it, a generation for it, the items. Answer: whether
/// it was this one, and the text of the job that is there.
inline constexpr std::string_view work_seed = R"lua(
local wanted, close, fresh, items = arg(), number(), arg(), list()
if generation then
    if job ~= wanted then
        return answer('other', 0, job)
    end
    return answer('ok', 0, job)
end
-- What a job of that name may have left that lost its `meta`, as when keys were evicted.
redis.call('DEL', unpack(KEYS))
generation = fresh
version, runs = 0, ''
redis.call('HSET', meta, 'generation', fresh, 'job', wanted)
note_run()
redis.call('HSET', meta, 'run_at', 0)
redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
push(items)
if close == 1 then
    closed = redis.call('HSET', meta, 'closed', 1)
end
changed()
check_end()
return answer('ok', 1, wanted)
)lua";

/// Arguments: a name for this step, the items.
inline constexpr std::string_view work_push = R"lua(
local step, items = arg(), list()
if not generation then
    return answer('unseeded')
end
if redis.call('HEXISTS', done, step) == 1 then
    return answer('ok')
end
if closed then
    return answer('closed')
end
push(items)
redis.call('HSET', done, step, 'push')
changed()
return answer('ok')
)lua";

/// No arguments.
inline constexpr std::string_view work_close = R"lua(
if not generation then
    return answer('unseeded')
end
if not closed then
    closed = redis.call('HSET', meta, 'closed', 1)
    changed()
    check_end()
end
return answer('ok')
)lua";

/// Arguments: how many are wanted, the visibility time in milliseconds, how often an item is handed
/// out at most. Answer: the last entry of `wake`, then id, deliveries and payload of each item.
///
/// What was left by workers that died is looked for here, so that nobody else has to; four times in
/// a visibility time at most, whoever asks. When Redis was started again no worker could say that
/// it lives, so it is given one visibility time to do that.
inline constexpr std::string_view work_take = R"lua(
local want, visibility, most = number(), number(), number()
if not generation then
    return answer('unseeded')
end
-- A clock that was set back must not put it off.
local function passed(since, time)
    local elapsed = now() - tonumber(since or '0')
    return elapsed < 0 or elapsed >= time
end
local function may_sweep()
    local times = redis.call('HMGET', meta, 'swept', 'run_at')
    if not passed(times[1], visibility / 4) then
        return false
    end
    redis.call('HSET', meta, 'swept', now())
    return passed(times[2], visibility)
end
local function take_over(id, times)
    count('taken_over', 1)
    local failed = failures(id, times)
    if failed >= most then
        local told = redis.call('HGET', reasons, id)
        set_aside(id, times, told or ('taken over ' .. failed .. ' times'))
    else
        hand_out_again(id, 'RPUSH')
    end
end
local function sweep()
    local from, any = '-', false
    repeat
        local page = redis.call('XPENDING', stream, group, 'IDLE', visibility, from, '+', 100)
        for _, each in ipairs(page) do
            from = '(' .. each[1]
            if each[2] ~= nobody then
                take_over(each[1], each[4])
                any = true
            end
        end
    until #page < 100
    if any then
        changed()
        wake_all()
        check_end()
    end
end
if redis.call('XLEN', stream) > 0 and may_sweep() then
    sweep()
end

local items = {}
while #items < want do
    local id = redis.call('LPOP', again)
    if not id then
        break
    end
    redis.call('XCLAIM', stream, group, me, 0, id)
    local _, times = holder(id)
    items[#items + 1] = {id, times, payload(id)}
end
if #items < want then
    local fresh = redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', want - #items,
                             'STREAMS', stream, '>')
    for _, each in ipairs(fresh and fresh[1][2] or {}) do
        items[#items + 1] = {each[1], 1, each[2][2]}
    end
end
if #items > 0 then
    changed()
end
local last = redis.call('XREVRANGE', wake, '+', '-', 'COUNT', 1)[1]
return answer(finished() and 'finished' or 'ok', last and last[1] or '0-0', items)
)lua";

/// Arguments: the item's id and deliveries, the caller's fields, the items that follow from it.
/// Those go in even if the queue is closed: they are part of work that is not done.
inline constexpr std::string_view work_acknowledge = R"lua(
local id, times, pairs, items = arg(), number(), list(), list()
local step = id .. '/' .. times
if redis.call('HGET', done, step) == me then
    return answer('ok')
end
if not generation or not mine(id, times) then
    return answer('taken_over')
end
remove(id)
keep_fields(pairs)
push(items)
count('acknowledged', 1)
redis.call('HSET', done, step, me)
changed()
check_end()
return answer('ok')
)lua";

/// Arguments: the item's id and deliveries, its new payload, the caller's fields.
inline constexpr std::string_view work_update = R"lua(
local id, times, item, pairs = arg(), number(), arg(), list()
if not generation or not mine(id, times) then
    return answer('taken_over')
end
redis.call('XCLAIM', stream, group, me, 0, id, 'JUSTID')
redis.call('HSET', moved, id, item)
keep_fields(pairs)
changed()
return answer('ok')
)lua";

/// Gives an item back. Arguments: its id and deliveries, how often it is handed out at most, how
/// and why. How: `fail` has it handed out again or sets it aside, `reject` sets it aside, `release`
/// has it handed out again, before others, without counting this time.
inline constexpr std::string_view work_return = R"lua(
local id, times, most, how, reason = arg(), number(), number(), arg(), arg()
local step = id .. '/' .. times
if redis.call('HGET', done, step) == me then
    return answer('ok')
end
if not generation or not mine(id, times) then
    return answer('taken_over')
end
if how == 'release' then
    redis.call('HINCRBY', excused, id, 1)
    hand_out_again(id, 'LPUSH')
elseif how == 'reject' or failures(id, times) >= most then
    set_aside(id, times, reason)
else
    redis.call('HSET', reasons, id, reason)
    hand_out_again(id, 'RPUSH')
end
redis.call('HSET', done, step, me)
wake_all()
changed()
check_end()
return answer('ok')
)lua";

/// Says that its holder lives. Arguments: a list of ids and deliveries. Answer: the same of
/// those that are no longer the caller's.
inline constexpr std::string_view work_beat = R"lua(
local held, lost = list(), {}
for i = 1, #held, 2 do
    if generation and mine(held[i], tonumber(held[i + 1])) then
        redis.call('XCLAIM', stream, group, me, 0, held[i], 'JUSTID')
    else
        lost[#lost + 1] = held[i]
        lost[#lost + 1] = tonumber(held[i + 1])
    end
end
return answer('ok', lost)
)lua";

/// Answer: how many items nobody has, how many somebody has, are set aside, were pushed, were
/// acknowledged, were taken over; whether it is closed.
inline constexpr std::string_view work_statistics = R"lua(
if not generation then
    return answer('unseeded')
end
local counters = redis.call('HMGET', meta, 'pushed', 'acknowledged', 'taken_over')
local all = redis.call('XLEN', stream)
local held = redis.call('XPENDING', stream, group)[1] - redis.call('LLEN', again)
return answer('ok', all - held, held, redis.call('XLEN', dead), tonumber(counters[1] or '0'),
              tonumber(counters[2] or '0'), tonumber(counters[3] or '0'), closed and 1 or 0)
)lua";

/// Answer: names and values in turn.
inline constexpr std::string_view work_fields = R"lua(
if not generation then
    return answer('unseeded')
end
return answer('ok', redis.call('HGETALL', fields))
)lua";

/// Argument: how many at most. Answer: id, payload, reason and deliveries of each.
inline constexpr std::string_view work_dead = R"lua(
local most = number()
if not generation then
    return answer('unseeded')
end
local found = {}
for i, each in ipairs(redis.call('XRANGE', dead, '-', '+', 'COUNT', most)) do
    local entry = each[2]
    found[i] = {entry[2], entry[4], entry[6], tonumber(entry[8])}
end
return answer('ok', found)
)lua";

/// The whole script of a step.
inline const redis::script& script_of(work_step step)
{
    static const auto whole = [](std::string_view body) {
        return redis::script{std::string{work_prelude} + std::string{body}};
    };
    // In the order of work_step.
    static const std::array scripts{
        whole(work_seed),        whole(work_push),   whole(work_close),  whole(work_take),
        whole(work_acknowledge), whole(work_update), whole(work_return), whole(work_beat),
        whole(work_statistics),  whole(work_fields), whole(work_dead)};
    return scripts.at(static_cast<std::size_t>(step));
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
