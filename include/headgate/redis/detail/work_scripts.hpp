#ifndef HEADGATE_REDIS_DETAIL_WORK_SCRIPTS_HPP
#define HEADGATE_REDIS_DETAIL_WORK_SCRIPTS_HPP

#include <headgate/detail/config.hpp>

#include <string>
#include <string_view>
#include <vector>

/// @file
/// The Lua scripts of shared work. Each is one step of which all or nothing happens.
///
/// What a job has in Redis, all with the hash tag {key}:
/// - `stream`: the items, from when they are pushed until they are acknowledged or set aside; its
///   consumer group says who has which, since when, and how often each was handed out.
/// - `again`: a list of the items to be handed out once more. In the group they belong to "-",
///   which is nobody.
/// - `moved`: what replaced the payload of an item, by its id.
/// - `reasons`: why an item failed last, by its id.
/// - `dead`: a stream of what was set aside.
/// - `fields`: what callers keep with their acknowledgements.
/// - `done`: which steps were taken whose answer may have been lost, so that they can be asked for
///   twice. Their asker has them removed with a later step.
/// - `wake`: a stream that gets an entry when those who wait should look again.
/// - `meta`: the job's text, its generation (a random name given at seeding), its version (counts
///   the changes; one that is lower than what somebody has seen means that Redis has lost some), the
///   runs of Redis that it has lived through, whether it is closed, and counters.

namespace HEADGATE_NAMESPACE::redis::detail {

/// In the order of KEYS.
inline std::vector<std::string> work_keys(const std::string& key)
{
    std::vector<std::string> keys;
    for (const char* name :
         {"stream", "meta", "again", "moved", "reasons", "dead", "fields", "done", "wake"})
        keys.push_back('{' + key + "}:" + name);
    return keys;
}

/// Where `wake` is among them.
inline constexpr std::size_t work_wake_key = 8;

/// What all scripts begin with. Arguments: the generation, version and run of Redis that the caller
/// has seen last, its name, how many milliseconds a finished job is kept, and what can be removed
/// from `done`. Lists come with their length in front. Answers: a status, generation, run and
/// version, then what each has.
inline constexpr std::string_view work_prelude = R"lua(
local stream, meta, again, moved, reasons = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local dead, fields, done, wake = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local group, nobody = 'workers', '-'

local cursor = 0
local function arg()
    cursor = cursor + 1
    return ARGV[cursor]
end
local function number()
    return tonumber(arg())
end
local function list()
    local result = {}
    for i = 1, number() do
        result[i] = arg()
    end
    return result
end

local known, seen, seen_run, me, keep = arg(), number(), arg(), arg(), number()
local heard = list()
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '-'
local state = redis.call('HMGET', meta, 'generation', 'version', 'runs', 'closed', 'job')
local generation, version, runs = state[1], tonumber(state[2] or '0'), state[3] or ''
local closed, job = state[4], state[5]

local function answer(status, ...)
    return {status, generation or '', run, version, ...}
end
local function now()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function note_run()
    runs = runs .. ' ' .. run .. ':' .. version
    redis.call('HSET', meta, 'runs', runs, 'run_at', now())
end
if generation and not string.find(runs, run, 1, true) then
    note_run()
end
-- Changes that a crash has undone may be made up for by others before somebody who saw them looks
-- again. So what counts is the version that each run of Redis since then has begun with.
local function lost()
    if known == '' then
        return false
    elseif generation ~= known or version < seen then
        return true
    end
    local later = false
    for name, begun_with in string.gmatch(runs, '(%w+):(%d+)') do
        if later and tonumber(begun_with) < seen then
            return true
        end
        later = later or name == seen_run
    end
    return not later
end
if lost() then
    return answer('lost')
end
for _, each in ipairs(heard) do
    redis.call('HDEL', done, each)
end

local function changed()
    version = redis.call('HINCRBY', meta, 'version', 1)
end
local function wake_all()
    redis.call('XADD', wake, 'MAXLEN', 1, '*', 'look', '')
end
local function count(what, by)
    redis.call('HINCRBY', meta, what, by)
end
local function finished()
    return closed and redis.call('XLEN', stream) == 0
end
-- Only what is finished may ever expire.
local function check_end()
    if finished() then
        wake_all()
        for _, each in ipairs(KEYS) do
            redis.call('PEXPIRE', each, keep)
        end
    end
end
local function push(items)
    for _, each in ipairs(items) do
        redis.call('XADD', stream, '*', 'item', each)
    end
    if #items > 0 then
        count('pushed', #items)
        wake_all()
    end
end
-- Whose the item is and how often it was handed out. Both are compared, because the same worker may
-- have lost it and got it again.
local function holder(id)
    local found = redis.call('XPENDING', stream, group, id, id, 1)[1]
    if found then
        return found[2], found[4]
    end
end
local function mine(id, times)
    local who, often = holder(id)
    return who == me and often == times
end
local function payload(id)
    local newer = redis.call('HGET', moved, id)
    if newer then
        return newer
    end
    return redis.call('XRANGE', stream, id, id)[1][2][2]
end
local function keep_fields(pairs)
    for i = 1, #pairs, 2 do
        redis.call('HSET', fields, pairs[i], pairs[i + 1])
    end
end
local function remove(id)
    redis.call('XACK', stream, group, id)
    redis.call('XDEL', stream, id)
    redis.call('HDEL', moved, id)
    redis.call('HDEL', reasons, id)
end
local function set_aside(id, times, reason)
    redis.call('XADD', dead, '*', 'id', id, 'item', payload(id), 'reason', reason,
               'deliveries', times)
    remove(id)
end
)lua";

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
/// a visibility time at most, whoever asks. When Redis was started again no worker could say that it
/// lives, so it is given one visibility time to do that.
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
    if times >= most then
        local told = redis.call('HGET', reasons, id)
        set_aside(id, times, told or ('taken over ' .. times .. ' times'))
    else
        redis.call('XCLAIM', stream, group, nobody, 0, id, 'JUSTID')
        redis.call('RPUSH', again, id)
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
/// takes back that it was handed out.
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
    redis.call('XCLAIM', stream, group, nobody, 0, id, 'RETRYCOUNT', times - 1, 'JUSTID')
    redis.call('LPUSH', again, id)
elseif how == 'reject' or times >= most then
    set_aside(id, times, reason)
else
    redis.call('HSET', reasons, id, reason)
    redis.call('XCLAIM', stream, group, nobody, 0, id, 'JUSTID')
    redis.call('RPUSH', again, id)
end
if how ~= 'release' then
    redis.call('HSET', done, step, me)
end
wake_all()
changed()
check_end()
return answer('ok')
)lua";

/// Says that its holder lives. Arguments: a list of ids and deliveries. Answer: which of the ids
/// are no longer the caller's.
inline constexpr std::string_view work_beat = R"lua(
local held, lost = list(), {}
for i = 1, #held, 2 do
    if generation and mine(held[i], tonumber(held[i + 1])) then
        redis.call('XCLAIM', stream, group, me, 0, held[i], 'JUSTID')
    else
        lost[#lost + 1] = held[i]
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

/// The whole of a script.
inline std::string work_script(std::string_view body)
{
    return std::string{work_prelude} + std::string{body};
}

} // namespace HEADGATE_NAMESPACE::redis::detail

#endif
