#ifndef HEADGATE_REDIS_DETAIL_LIMIT_SCRIPT_HPP
#define HEADGATE_REDIS_DETAIL_LIMIT_SCRIPT_HPP

#include <headgate/detail/config.hpp>

#include <string>

namespace HEADGATE_NAMESPACE::detail {

/// How the script below reads the clock: that of the server, in microseconds since 1970. Tests put
/// another in its place.
inline constexpr const char* redis_limit_clock = R"lua(
local parts = redis.call('TIME')
local clock = parts[1] * 1000000 + parts[2]
)lua";

/// The decision of a shared limiter, taken inside Redis, where nothing comes between.
///
/// What it keeps, in one hash: for a window N slots, each free from some time on, counted in a
/// thousand small steps of time (`b<limit>:<step>` slots get free at the end of that step,
/// `u<limit>` are not free yet); for a bucket or a paced limit the theoretical arrival time of the
/// generic cell rate algorithm (`t<limit>`). To lease a token is to take the slot that is free
/// first, if it is within the horizon, and to put it back with the time at which the last use of
/// the lease no longer counts. What a lease was really used for is told later (`r`), and moves its
/// slot.
///
/// Who is not served in full stands in the sorted set of turns, by the tokens it has had, and
/// nobody gets further ahead of the one behind than a share of what there is. Whoever does not come
/// back in time loses its turn.
///
/// KEYS: the state, the turns, the holders (one hash tag). ARGV: see `lease_request::arguments`.
/// Answer: see `lease_answer`. Times on the wire are in microseconds.
inline constexpr const char* redis_limit_script = R"lua(
local state, turns, holders = KEYS[1], KEYS[2], KEYS[3]
local run, started, me = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local known, known_ago, mine = ARGV[4], tonumber(ARGV[5]), ARGV[6]
local units, unit = tonumber(ARGV[7]), tonumber(ARGV[8])
local horizon, lease, credit = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local holding, ttl = tonumber(ARGV[12]), tonumber(ARGV[13])
local first_change = 14
local reach = horizon + lease
local settling = 2000000

local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local function text(x) return string.format('%.17g', x) end
local function get(name) return redis.call('HGET', state, name) end
local function set(name, value) redis.call('HSET', state, name, value) end

local f = redis.call('HMGET', state, 'run', 'base', 'last', 'limits', 'fresh', 'pause', 'phase',
                     'prober', 'probe_end', 'spaced', 'spaced_end', 'epoch', 'quiet', 'virtual')
local base = tonumber(f[2] or clock)
local last = tonumber(f[3] or 0)
local now = clock
local jumped = false
if f[1] then
  if now < last - 1000000 then jumped = true else now = max(now, last) end
end

-- The limits that hold: those of the state, or of who makes it.
local limits, longest, interval, places, scheduled
local function read_limits(what)
  limits, longest, interval, places, scheduled = {}, 0, 0, nil, false
  for kind, count, period, burst, slack in what:gmatch('(%a),(%d+),(%d+),(%d+),(%d+)') do
    local l = {kind = kind, count = tonumber(count), period = tonumber(period) / 1000,
               burst = tonumber(burst), slack = tonumber(slack) / 1000}
    limits[#limits + 1] = l
    if kind == 'f' then
      places = min(places or l.count, l.count)
    else
      l.span = l.period + l.slack
      l.gap = l.span / l.count
      interval = max(interval, l.gap)
      if kind == 'w' then
        l.step = max(l.span / 1000, 100)
        longest = max(longest, l.span)
      else
        scheduled = true
        longest = max(longest, l.span, l.gap * l.burst)
      end
    end
  end
end
local current = f[4] or mine
read_limits(current)

local function key_of(i, step) return 'b' .. i .. ':' .. string.format('%.0f', step) end

local function wipe(i)
  local prefix, some = 'b' .. i .. ':', {}
  for _, name in ipairs(redis.call('HKEYS', state)) do
    if name:sub(1, #prefix) == prefix then
      some[#some + 1] = name
      if #some == 500 then redis.call('HDEL', state, unpack(some)); some = {} end
    end
  end
  if #some > 0 then redis.call('HDEL', state, unpack(some)) end
end

-- Windows in use: what of them is read and not written back yet.
local windows = {}

local function put(w, at, n)
  local step = ceil((at - base) / w.limit.step - 1e-9)
  if step <= w.cleared then w.used = w.used - n; return 0 end
  w.added[step] = (w.added[step] or 0) + n
  w.most = max(w.most, step)
  return step
end

local function open(i)
  local l = limits[i]
  local g = redis.call('HMGET', state, 'u' .. i, 'c' .. i, 'm' .. i)
  local w = {i = i, limit = l, used = tonumber(g[1] or 0), cleared = tonumber(g[2] or 0),
             most = tonumber(g[3] or 0), added = {}, steps = {}, counts = {}, first = 1, seen = 0}
  local target = floor((now - base) / l.step)
  if target - w.cleared > 5000 and w.most <= target then
    if w.used > 0 then wipe(i) end
    w.used, w.cleared = 0, target
  end
  while w.cleared < target do
    local upto = min(w.cleared + 200, target)
    if w.used == 0 then upto = target; w.cleared = target; break end
    local names, gone = {}, {}
    for step = w.cleared + 1, upto do names[#names + 1] = key_of(i, step) end
    for k, n in ipairs(redis.call('HMGET', state, unpack(names))) do
      if n then gone[#gone + 1] = names[k]; w.used = w.used - tonumber(n) end
    end
    if #gone > 0 then redis.call('HDEL', state, unpack(gone)) end
    w.cleared = upto
  end
  w.at = w.cleared
  windows[i] = w
end

-- Reads on until `need` slots are known or there are no more.
local function look(w, need)
  while w.limit.count - w.used + w.seen < need and w.at < w.most do
    local names, upto = {}, min(w.at + 100, w.most)
    for step = w.at + 1, upto do names[#names + 1] = key_of(w.i, step) end
    for k, n in ipairs(redis.call('HMGET', state, unpack(names))) do
      if n then
        w.steps[#w.steps + 1], w.counts[#w.counts + 1] = w.at + k, tonumber(n)
        w.seen = w.seen + tonumber(n)
      end
    end
    w.at = upto
  end
end

local function write_back(w)
  for step, n in pairs(w.added) do
    if n ~= 0 and redis.call('HINCRBY', state, key_of(w.i, step), n) <= 0 then
      redis.call('HDEL', state, key_of(w.i, step))
    end
  end
  redis.call('HSET', state, 'u' .. w.i, text(w.used), 'c' .. w.i, text(w.cleared), 'm' .. w.i,
             text(w.most))
end

-- When `n` tokens of limit i are there; never, if there are not so many.
local function due(i, n)
  local l = limits[i]
  if l.kind == 'w' then
    local w = windows[i]
    local free = l.count - w.used
    if n <= free then return now end
    look(w, n)
    local k = w.first
    while w.steps[k] do
      free = free + w.counts[k]
      if free >= n then return max(now, base + w.steps[k] * l.step) end
      k = k + 1
    end
    return nil
  end
  return max(now, max(l.tat, now) + (n - l.burst) * l.gap)
end

-- Takes `n` tokens that are used at `from` or later, and counted at `till` at the latest.
local function charge(i, n, from, till)
  local l = limits[i]
  if l.kind ~= 'w' then
    -- Of those that go together the first would have been due as much before the last.
    l.tat = max(l.tat, from - max(0, n - l.burst) * l.gap) + n * l.gap
    return nil
  end
  local w, rest = windows[i], n
  look(w, n)
  local free = min(max(l.count - w.used, 0), rest)
  w.used, rest = w.used + free, rest - free
  local moved = free
  while rest > 0 and w.steps[w.first] do
    local k = w.first
    local some = min(rest, w.counts[k])
    w.added[w.steps[k]] = (w.added[w.steps[k]] or 0) - some
    w.counts[k], w.seen, rest, moved = w.counts[k] - some, w.seen - some, rest - some, moved + some
    if w.counts[k] == 0 then w.first = k + 1 end
  end
  return put(w, till + l.span, moved)
end

-- Whatever could be spent until then is taken for spent.
local function spend_all(at)
  for i, l in ipairs(limits) do
    if l.kind == 'w' then
      wipe(i)
      redis.call('HDEL', state, 'u' .. i, 'c' .. i, 'm' .. i)
      open(i)
      windows[i].used = l.count
      put(windows[i], at + l.span, l.count)
      write_back(windows[i])
      windows[i] = nil
    elseif l.kind ~= 'f' then
      local tat = tonumber(get('t' .. i) or 0)
      set('t' .. i, text(max(tat, at - base + l.burst * l.gap)))
    end
  end
  set('quiet', text(now + ttl / 2))
  f[13] = text(now + ttl / 2)
end

-- Is this the state that everybody knew, and the Redis that kept it?
local recent = known ~= '' and known_ago < longest + 2 * reach + 1000000
local restarted = started > now - known_ago
local spent_until = nil
local new_epoch = false
if not f[1] or jumped then
  if jumped then
    spent_until = now + reach
  elseif recent then
    spent_until = (restarted and min(started, now) or now) + reach
  elseif now - started < settling then
    return {string.format('%.0f', now), '', 1, string.format('%.0f', started + settling), 0, '', 0, 0, 0}
  end
  redis.call('DEL', state, turns, holders)
  base, last, f = clock, 0, {}
  now = clock
  new_epoch = true
  f[5] = spent_until and '0' or '1'
  current = jumped and current or mine
  read_limits(current)
  redis.call('HSET', state, 'run', run, 'base', text(base), 'limits', current, 'fresh', f[5])
elseif f[1] ~= run then
  spent_until = (last < started and min(started, now) or now) + reach
  new_epoch = true
elseif recent and f[5] == '1' and known:match('^[^.]*') ~= f[12]:match('^[^.]*') then
  spent_until = (restarted and min(started, now) or now) + reach
  new_epoch = true
end
local epoch = f[12]
if new_epoch then
  epoch = string.format('%.0f', now) .. '-' .. run:sub(1, 8) .. '.0'
  redis.call('HSET', state, 'run', run, 'epoch', epoch)
end
if spent_until then
  spend_all(spent_until)
  set('fresh', '0')
end

for i, l in ipairs(limits) do
  if l.kind == 'w' then open(i)
  elseif l.kind ~= 'f' then l.tat = base + tonumber(get('t' .. i) or 0) end
end

local pause = tonumber(f[6] or 0)
local phase = f[7] or ''
local prober = f[8] or ''
local probe_end, spaced, spaced_end = tonumber(f[9] or 0), tonumber(f[10] or 0), tonumber(f[11] or 0)

-- Other limits: what was taken still counts where the limit at that place is of the same kind.
local function change(what)
  if what == current then return end
  for i, w in pairs(windows) do write_back(w) end
  local before = limits
  read_limits(what)
  current = what
  windows = {}
  for i = 1, max(#before, #limits) do
    local old, l = before[i], limits[i]
    local kept = {}
    if old and old.kind == 'w' then
      for _, name in ipairs(redis.call('HKEYS', state)) do
        local step = name:match('^b' .. i .. ':(%d+)$')
        if step then kept[#kept + 1] = {base + tonumber(step) * old.step, tonumber(get(name))} end
      end
      wipe(i)
      redis.call('HDEL', state, 'u' .. i, 'c' .. i, 'm' .. i)
    elseif old and old.kind ~= 'f' then
      redis.call('HDEL', state, 't' .. i)
    end
    if l and l.kind == 'w' then
      open(i)
      if old and old.kind == 'w' then
        table.sort(kept, function(a, b) return a[1] > b[1] end)
        for _, each in ipairs(kept) do -- the last to get free first, as many as there are now
          local n = min(each[2], l.count - windows[i].used)
          if n > 0 then
            windows[i].used = windows[i].used + n
            put(windows[i], each[1] + l.span - old.span, n)
          end
        end
        write_back(windows[i])
        open(i)
      end
    elseif l and l.kind ~= 'f' then
      l.tat = base
      if old and old.tat then l.tat = now + (old.tat - now) / old.gap * l.gap end
    end
  end
  -- What was leased before cannot be told apart any more; the state is the same.
  epoch = epoch:match('^[^.]*') .. '.' .. string.format('%.0f', now - base)
  redis.call('HSET', state, 'limits', current, 'epoch', epoch)
end

-- What this client has to say.
local k = first_change
while ARGV[k] do
  local what = ARGV[k]
  if what == 'r' then -- epoch, limit, step, when it is free after all (0: now), tokens
    local i, step = tonumber(ARGV[k + 2]), tonumber(ARGV[k + 3])
    local at, n = tonumber(ARGV[k + 4]), tonumber(ARGV[k + 5])
    local w = windows[i]
    if ARGV[k + 1] == epoch and w and step > w.cleared then
      local name = key_of(i, step)
      n = min(n, tonumber(get(name) or 0))
      if n > 0 then
        if redis.call('HINCRBY', state, name, -n) <= 0 then redis.call('HDEL', state, name) end
        local to = ceil((at - base) / w.limit.step - 1e-9)
        if at == 0 or to <= w.cleared then
          w.used = w.used - n
        else
          redis.call('HINCRBY', state, key_of(i, min(to, step)), n)
        end
      end
    end
    k = k + 6
  elseif what == 'x' then -- how long ago, tokens: used without having been leased
    local at, n = now - tonumber(ARGV[k + 1]), tonumber(ARGV[k + 2])
    for i, l in ipairs(limits) do
      if l.kind == 'w' then
        -- A slot that is taken for longer than that stays so.
        local w, rest = windows[i], n
        local free = min(max(l.count - w.used, 0), rest)
        if free > 0 and at + l.span > now then w.used = w.used + free; put(w, at + l.span, free) end
        rest = rest - free
        look(w, rest + l.count - w.used)
        while rest > 0 and w.steps[w.first] and base + w.steps[w.first] * l.step < at + l.span do
          local some = min(rest, w.counts[w.first])
          w.added[w.steps[w.first]] = (w.added[w.steps[w.first]] or 0) - some
          w.counts[w.first], w.seen, rest = w.counts[w.first] - some, w.seen - some, rest - some
          put(w, at + l.span, some)
          if w.counts[w.first] == 0 then w.first = w.first + 1 end
        end
        write_back(w)
        open(i)
      elseif l.kind ~= 'f' then
        l.tat = max(l.tat, at) + n * l.gap
      end
    end
    k = k + 3
  elseif what == 'p' then -- for how long
    local till = now + tonumber(ARGV[k + 1])
    if till > now and till > pause then pause, phase, prober = till, 'probe', '' end
    k = k + 2
  elseif what == 'l' then
    change(ARGV[k + 1])
    k = k + 2
  elseif what == 'd' then -- the probe is over, 1: it was sent
    if phase == 'probing' and prober == me then
      if ARGV[k + 1] == '1' then
        phase, spaced, spaced_end = 'spaced', now + interval, now + longest
      else
        phase = 'probe'
      end
    end
    k = k + 2
  else
    return redis.error_reply('ERR headgate: unknown change ' .. what)
  end
end

-- Places of those who are gone come back.
local function forget(who)
  local had = tonumber(get('p:' .. who) or 0)
  redis.call('HDEL', state, 'p:' .. who)
  redis.call('ZREM', holders, who)
  return had
end
local room, held = nil, 0
local quiet = tonumber(f[13] or 0)
local counted = places or redis.call('EXISTS', holders) == 1
if counted then
  held = tonumber(get('held') or 0)
  for _, who in ipairs(redis.call('ZRANGEBYSCORE', holders, '-inf', string.format('%.0f', now))) do
    held = held - forget(who)
  end
  held = held - tonumber(get('p:' .. me) or 0)
  if places then
    room = places - held - holding
    if quiet > now then room = 0 end
  end
end

-- Whose turn is it? By start-time fair queueing: the virtual time is the mark of the one in service,
-- whoever joins begins there, and leaving does not make anybody's lead forgotten.
local total, alone = 0, true
local virtual = tonumber(f[14] or 0)
local mark = tonumber(redis.call('ZSCORE', turns, me) or false)
if units > 0 then
  redis.call('ZREM', turns, me)
  local lowest = nil
  while not lowest do
    local first = redis.call('ZRANGE', turns, 0, 0, 'WITHSCORES')
    if not first[1] then break end
    if now <= tonumber(get('s:' .. first[1]) or 0) then
      lowest, alone = tonumber(first[2]), false
    else
      redis.call('ZREM', turns, first[1])
      redis.call('HDEL', state, 's:' .. first[1], 'v:' .. first[1])
    end
  end
  if mark then
    virtual = max(virtual, min(lowest or mark, mark))
  else
    if lowest then virtual = max(virtual, lowest) end
    mark = max(tonumber(get('v:' .. me) or 0), virtual)
    if not lowest then virtual = max(virtual, mark) end
  end
  total = redis.call('ZCARD', turns) + 1
end

if phase == 'probing' and now > probe_end then phase = 'probe' end
local groups, again, is_probe, left = {}, 0, 0, units
local function start_of(n)
  local at = max(now, pause)
  if phase == 'spaced' then at = max(at, spaced) end
  for i, l in ipairs(limits) do
    if l.kind ~= 'f' then
      local one = due(i, n)
      if not one then return nil end
      at = max(at, one)
    end
  end
  return at
end

if units > 0 then
  local limit_end = now + horizon
  -- What there is within the horizon, for all, whatever this one asks for.
  local there = 1e15
  for i, l in ipairs(limits) do
    if l.kind == 'w' then
      local w = windows[i]
      look(w, l.count - w.used + 1)
      local n, step = l.count - w.used, floor((limit_end - base) / l.step)
      while w.at < min(step, w.most) do look(w, l.count - w.used + w.seen + 1) end
      local j = w.first
      while w.steps[j] and w.steps[j] <= step do n = n + w.counts[j]; j = j + 1 end
      there = min(there, max(n, 0))
    elseif l.kind ~= 'f' then
      there = min(there, max(0, floor((limit_end - max(now, l.tat)) / l.gap + l.burst)))
    end
  end
  if room then there = min(there, max(room, 0)) end
  if there == 1e15 then there = units * unit end
  local share = max(1, ceil(there / unit / max(total, 2)))
  local lead = 0
  local first = redis.call('ZRANGE', turns, 0, 0, 'WITHSCORES')
  if first[1] then lead = (mark - tonumber(first[2])) / unit end
  -- Who is ahead gets less, not nothing: the one behind may be dead, or its answer lost.
  local allowed = min(units, max(0, floor(share - lead), floor(share * 3 / 4)))
  -- Who is alone leaves a quarter for who may come, and has enough until it asks again.
  if alone then allowed = min(units, max(1, ceil(there * 3 / 4 / unit))) end
  if room then allowed = min(allowed, max(0, floor(room / unit))) end
  if phase == 'probing' then allowed = 0; again = now + 3 * horizon end
  if phase == 'probe' then allowed = min(allowed, 1) end

  -- What is due within a millisecond goes together, or a million tokens would be a million turns.
  local batch = 1000000000
  for i, l in ipairs(limits) do
    if l.kind == 'b' or l.kind == 'p' then
      batch = min(batch, max(1, floor(min(1000, credit / 2) / (l.gap * unit))))
    end
  end
  while allowed > 0 do
    local n = min(batch, allowed)
    if phase == 'spaced' then n = 1 end
    -- Without a schedule those that are there at once go together.
    if not scheduled then
      for i, l in ipairs(limits) do
        if l.kind == 'w' then
          local w = windows[i]
          local free = l.count - w.used
          if free < unit then
            look(w, unit)
            free = max(free, 0) + (w.counts[w.first] or 0)
          end
          n = max(1, min(n, floor(free / unit)))
        end
      end
    end
    local at = start_of(n * unit)
    if not at or at > limit_end then
      if n == 1 then again = at or (now + 1000000) break end
      n = 1
      at = start_of(unit)
      if not at or at > limit_end then again = at or (now + 1000000) break end
    end
    at = ceil(at)
    local till = at + lease
    if scheduled and not next(windows) then -- the first of them is late by then
      local behind = 0
      for i, l in ipairs(limits) do
        if l.tat then behind = max(behind, (n * unit - l.burst) * l.gap) end
      end
      till = at + floor(credit - min(behind, credit / 2))
    end
    local group = {at, till, n}
    for i, l in ipairs(limits) do
      if l.kind ~= 'f' then
        local step = charge(i, n * unit, at, till)
        if step then group[#group + 1] = step end
      end
    end
    groups[#groups + 1] = group
    if phase == 'spaced' then
      spaced = at + interval * n * unit
      if at >= spaced_end then phase = '' end
    elseif phase == 'probe' then
      phase, prober, probe_end, is_probe = 'probing', me, at + ttl, 1
    end
    allowed, left = allowed - n, left - n
  end
  mark = mark + (units - left) * unit
  if left > 0 then
    -- When to ask again: half a horizon before its turn, or when others have had theirs.
    local rank = redis.call('ZCOUNT', turns, '-inf', '(' .. text(mark)) +
                 floor(redis.call('ZCOUNT', turns, text(mark), text(mark)) / 2)
    if again == 0 then
      again = max(now + horizon * 7 / 6, start_of(unit) or now + 1000000)
      if quiet > now and places then again = max(again, quiet + horizon / 2) end
    end
    if rank > 0 and phase ~= 'probing' then
      local later = start_of(unit * (rank + 1)) or again
      -- Not all in the same moment, which the last three digits of the clock are to prevent.
      again = min(max(again, later), again + 750000 - now % 1000 * 500)
    end
    again = max(now + horizon / 4, again - horizon / 2)
    redis.call('ZADD', turns, text(mark), me)
    redis.call('HSET', state, 's:' .. me, text(again + max(50000, horizon)), 'v:' .. me, text(mark))
  else
    redis.call('HDEL', state, 's:' .. me)
    redis.call('HSET', state, 'v:' .. me, text(mark))
  end
else
  redis.call('ZREM', turns, me)
end
if phase == 'probing' and prober == me then probe_end = max(probe_end, now + ttl) end

if counted then
  local mine_now = holding + (units - left) * unit
  set('held', text(held + mine_now))
  if mine_now > 0 then
    redis.call('ZADD', holders, string.format('%.0f', now + ttl), me)
    set('p:' .. me, text(mine_now))
  else
    forget(me)
  end
end

for i, w in pairs(windows) do write_back(w) end
for i, l in ipairs(limits) do
  if l.tat then set('t' .. i, text(l.tat - base)) end
end
redis.call('HSET', state, 'last', text(now), 'pause', text(pause), 'phase', phase, 'prober', prober,
           'probe_end', text(probe_end), 'spaced', text(spaced), 'spaced_end', text(spaced_end),
           'virtual', text(virtual))
local keep = ceil(max(60000000, longest + 2 * reach + 2000000, pause - now + longest, ttl * 2) / 1000)
redis.call('PEXPIRE', state, keep)
redis.call('PEXPIRE', turns, keep)
redis.call('PEXPIRE', holders, keep)

local out = {string.format('%.0f', now), epoch, 0, string.format('%.0f', again), string.format('%.0f', pause),
             current == mine and '' or current, is_probe, #groups, string.format('%.0f', base)}
for _, group in ipairs(groups) do
  for _, x in ipairs(group) do out[#out + 1] = string.format('%.0f', x) end
end
return out
)lua";

/// The whole script with its clock.
inline std::string redis_limit_text(const char* clock = redis_limit_clock)
{
    return std::string{clock} + redis_limit_script;
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
