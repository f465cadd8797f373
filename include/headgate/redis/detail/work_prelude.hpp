#ifndef HEADGATE_REDIS_DETAIL_WORK_PRELUDE_HPP
#define HEADGATE_REDIS_DETAIL_WORK_PRELUDE_HPP

#include <headgate/detail/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// @file
/// What the Lua scripts of shared work have in common.
///
/// What a job has in Redis, all with the hash tag {key}:
/// - `stream`: the items, from when they are pushed until they are acknowledged or set aside; its
///   consumer group says who has which, since when, and how often each was handed out.
/// - `again`: a list of the items to be handed out once more. In the group they belong to "-",
///   which is nobody.
/// - `moved`: what replaced the payload of an item, by its id.
/// - `reasons`: why an item failed last, by its id.
/// - `excused`: how many times of being handed out do not count against an item, by its id.
/// - `dead`: a stream of what was set aside.
/// - `fields`: what callers keep with their acknowledgements.
/// - `done`: which steps were taken whose answer may have been lost, so that they can be asked for
///   twice. Their asker has them removed with a later step.
/// - `wake`: a stream that gets an entry when those who wait should look again.
/// - `meta`: the job's text, its generation (a random name given at seeding), its version (counts
///   the changes; one that is lower than what somebody has seen means that Redis has lost some),
///   the runs of Redis that it has lived through, whether it is closed, and counters.

namespace HEADGATE_NAMESPACE::detail {

/// In the order of KEYS.
inline std::vector<std::string> work_keys(const std::string& key)
{
    std::vector<std::string> keys;
    for (const char* name : {"stream", "meta", "again", "moved", "reasons", "dead", "fields",
                             "done", "wake", "excused"})
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
local dead, fields, done, wake, excused = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
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
-- have lost it and got it again; the second only grows.
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
    redis.call('HDEL', excused, id)
end
-- How often it has failed.
local function failures(id, times)
    return times - tonumber(redis.call('HGET', excused, id) or '0')
end
local function hand_out_again(id, end_of_list)
    redis.call('XCLAIM', stream, group, nobody, 0, id, 'JUSTID')
    redis.call(end_of_list, again, id)
end
local function set_aside(id, times, reason)
    redis.call('XADD', dead, '*', 'id', id, 'item', payload(id), 'reason', reason,
               'deliveries', times)
    remove(id)
end
)lua";

} // namespace HEADGATE_NAMESPACE::detail

#endif
