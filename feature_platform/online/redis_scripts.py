"""The scripts of the store in Redis: each is a whole change, run by the server without anything in between.

Every script may be sent twice, as a client does when its connection breaks before the answer comes. The first key is
that of the current generation; all other keys begin with the first argument and are in the same slot.
"""

FLIP = """
-- root, number, its size, table that it was made against ('' for none), pushes that it carries
local root, number = ARGV[1], ARGV[2]
local old = redis.call('GET', KEYS[1])
if old == number then return 'done' end
local found = old and redis.call('HGET', root .. ':' .. old, '') or ''
if found ~= ARGV[4] then return 'conflict' end
if found ~= '' and (redis.call('HGET', root .. ':' .. old .. ':pushed', '') or '0') ~= ARGV[5] then
  return 'pushed'
end
if redis.call('HLEN', root .. ':' .. number) ~= tonumber(ARGV[3]) then return 'lost' end
redis.call('SET', KEYS[1], number)
for _, each in ipairs(redis.call('SMEMBERS', root .. ':aside')) do
  if each ~= number then
    redis.call('UNLINK', root .. ':' .. each, root .. ':' .. each .. ':pushed', root .. ':' .. each .. ':gone')
  end
end
redis.call('UNLINK', root .. ':aside', root .. ':hold', root .. ':' .. number .. ':gone')
if old then redis.call('UNLINK', root .. ':' .. old, root .. ':' .. old .. ':pushed') end
return 'done'
"""
"""Let readers have a generation that was made aside, and remove the one before and all that was left behind."""

APPLY = """
-- root, number, number of what was put together, how many entries, how many keys go, table as it is, pushes that are
-- carried, and the new table around its number of entries
local root, number, aside = ARGV[1], ARGV[2], ARGV[1] .. ':' .. ARGV[3]
local rows, pushed = root .. ':' .. number, root .. ':' .. number .. ':pushed'
if redis.call('GET', KEYS[1]) ~= number then return 'conflict' end
if redis.call('GET', root .. ':applied') == ARGV[3] then return tostring(redis.call('HLEN', rows) - 1) end
if redis.call('HGET', rows, '') ~= ARGV[6] then return 'conflict' end
if (redis.call('HGET', pushed, '') or '0') ~= ARGV[7] then return 'pushed' end
if redis.call('HLEN', aside) ~= tonumber(ARGV[4]) then return 'lost' end
if redis.call('SCARD', aside .. ':gone') ~= tonumber(ARGV[5]) then return 'lost' end
local at = '0'
repeat
  local page = redis.call('SSCAN', aside .. ':gone', at, 'COUNT', 1000)
  at = page[1]
  if #page[2] > 0 then redis.call('HDEL', rows, unpack(page[2])) end
until at == '0'
repeat
  local page = redis.call('HSCAN', aside, at, 'COUNT', 1000)
  at = page[1]
  if #page[2] > 0 then redis.call('HSET', rows, unpack(page[2])) end
until at == '0'
repeat
  local page = redis.call('SSCAN', aside .. ':pushed', at, 'COUNT', 1000)
  at = page[1]
  if #page[2] > 0 then redis.call('HDEL', pushed, unpack(page[2])) end
until at == '0'
local entries = tostring(redis.call('HLEN', rows) - 1)
redis.call('HSET', rows, '', ARGV[8] .. entries .. ARGV[9])
redis.call('SET', root .. ':applied', ARGV[3])
redis.call('UNLINK', aside, aside .. ':gone', aside .. ':pushed', root .. ':hold')
redis.call('SREM', root .. ':aside', ARGV[3])
return entries
"""
"""Replace, add and remove entries of the current generation, and record its new table."""

MERGE = """
-- root, number, tag, then for each entry its key, what is stored ('1' and it, or '0'), and what is to be
if redis.call('EXISTS', ARGV[1] .. ':hold') == 1 then return 'hold' end
local number = ARGV[2]
if redis.call('GET', KEYS[1]) ~= number then return 'moved' end
local rows, pushed = ARGV[1] .. ':' .. number, ARGV[1] .. ':' .. number .. ':pushed'
if redis.call('HEXISTS', rows, '') == 0 then return 'moved' end
for i = 4, #ARGV, 3 do
  local found = redis.call('HGET', rows, ARGV[i])
  if (found and '1' .. found or '0') ~= ARGV[i + 1] then return 'changed' end
end
for i = 4, #ARGV, 3 do
  redis.call('HSET', rows, ARGV[i], ARGV[i + 2])
  redis.call('HSET', pushed, ARGV[i], ARGV[3])
end
redis.call('HINCRBY', pushed, '', 1)
return 'done'
"""
"""Put merged entries in the place of those that they were merged with."""

DISCARD = """
-- root, number
if redis.call('GET', KEYS[1]) ~= ARGV[2] then
  local aside = ARGV[1] .. ':' .. ARGV[2]
  redis.call('UNLINK', aside, aside .. ':pushed', aside .. ':gone', ARGV[1] .. ':hold')
  redis.call('SREM', ARGV[1] .. ':aside', ARGV[2])
end
return 'done'
"""
"""Remove what was made aside, but for a generation that has become the current one."""

REMOVE = """
-- root
local number = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
for _, each in ipairs({number or '', unpack(redis.call('SMEMBERS', ARGV[1] .. ':aside'))}) do
  local name = ARGV[1] .. ':' .. each
  redis.call('UNLINK', name, name .. ':pushed', name .. ':gone')
end
redis.call('UNLINK', ARGV[1] .. ':aside', ARGV[1] .. ':applied', ARGV[1] .. ':hold')
return 'done'
"""
"""Stop serving a view, and remove all of it but the count of its generations: no number is ever given twice."""
