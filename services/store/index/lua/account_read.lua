-- Reads an account's header and, when asked, its mailbox names and their counts. Writes nothing.
-- KEYS[1] {s0421}:a:<account> · ARGV: generation, epoch or '', '' | 'names' | 'counts'
-- reply: header (field, value, …), names (name, entry, …), headers of the mailboxes in the same order
-- errors: GENERATION, ACCOUNT_NOT_FOUND, SESSION_ENDED
local P = KEYS[1]
local SHARD = string.match(P, '^({s%d+}):')
if redis.call('GET', SHARD .. ':gen') ~= ARGV[1] then return redis.error_reply('GENERATION index incomplete') end
local header, has = redis.call('HGETALL', P), {}
for i = 1, #header, 2 do has[header[i]] = header[i + 1] end
if not has.seq or has.gone then return redis.error_reply('ACCOUNT_NOT_FOUND no such account') end
if ARGV[2] ~= '' and has.epoch ~= ARGV[2] then return redis.error_reply('SESSION_ENDED the session has ended') end
if ARGV[3] == '' then return { header, {}, {} } end
local names, headers = redis.call('HGETALL', P .. ':n'), {}
if ARGV[3] == 'counts' then
  for i = 2, #names, 2 do
    headers[#headers + 1] = redis.call('HGETALL', P .. ':m:' .. string.match(names[i], '^(%d+)|'))
  end
end
return { header, names, headers }
